// The answers of POST /v1/chat/completions.
#pragma once

#include <set>

#include "server/answer.h"

namespace cairn::server {

class ChatAnswer final : public AnswerWriter {
 public:
  ChatAnswer(AnswerHead head, const Tokenizer& tokenizer, bool with_logprobs)
      : head_(std::move(head)), tokenizer_(tokenizer), with_logprobs_(with_logprobs) {}

  std::vector<Json> chunks(const Piece& piece) override;
  Json empty_chunk() const override;
  void gather(Piece&& piece) override;
  Json whole() override;

 private:
  struct Choice {
    std::string text;
    Json logprobs = Json::array();
    Json finish_reason, stop_reason;
  };
  Json chunk(int index, Json delta, Json logprobs) const;
  void add_logprobs(const RequestOutput& output, Json& list) const;

  const AnswerHead head_;
  const Tokenizer& tokenizer_;
  const bool with_logprobs_;
  std::set<int> begun_;
  std::map<int, Choice> choices_;
  Json prompt_logprobs_;
};

}  // namespace cairn::server
