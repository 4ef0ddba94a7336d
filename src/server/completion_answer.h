// The answers of POST /v1/completions.
#pragma once

#include "server/answer.h"
#include "server/logprobs_format.h"

namespace cairn::server {

class CompletionAnswer final : public AnswerWriter {
 public:
  struct Options {
    bool with_logprobs = false;         // of the answer, and of the prompt where it is echoed
    bool show_prompt_logprobs = false;  // as the field prompt_logprobs
    bool echo = false;
    bool echo_only = false;
  };
  /// `prompts` are the token ids and `prompt_texts` the texts that echo gives back, one a prompt.
  CompletionAnswer(AnswerHead head, const Tokenizer& tokenizer, Options options, std::vector<std::vector<int>> prompts,
                   std::vector<std::string> prompt_texts);

  std::vector<Json> chunks(const Piece& piece) override;
  Json empty_chunk() const override;
  void gather(Piece&& piece) override;
  Json whole() override;

 private:
  struct Choice {
    explicit Choice(const Tokenizer& tokenizer) : logprobs(tokenizer) {}
    bool begun = false;
    std::string text;
    CompletionLogprobs logprobs;
    Json finish_reason, stop_reason, prompt_logprobs;
  };
  int index_of(const Piece& piece) const { return static_cast<int>(piece.prompt) * head_.n + piece.output.index; }
  Choice& take(const Piece& piece);
  void begin(const Piece& piece, Choice& choice);

  const AnswerHead head_;
  const Tokenizer& tokenizer_;
  const Options options_;
  const std::vector<std::vector<int>> prompts_;
  const std::vector<std::string> prompt_texts_;
  // Of each prompt, once its first choice brought them; the other choices echo them too.
  std::map<std::size_t, std::vector<std::optional<PositionLogprobs>>> prompt_logprobs_;
  std::map<int, Choice> choices_;
};

}  // namespace cairn::server
