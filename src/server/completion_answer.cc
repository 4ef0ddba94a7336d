#include "server/completion_answer.h"

#include "server/http_message.h"
#include "server/logprob_format.h"

namespace cairn {
namespace {

struct Choice {
  std::string text;
  CompletionLogprobs logprobs;
  bool begun = false;
  Json finish_reason, stop_reason;
};

// What the streamed and the whole answer share: pieces become choices, an echoed prompt goes in front.
class Choices {
 public:
  Choices(const CompletionRequest& request, const Tokenizer& tokenizer)
      : request_(request),
        tokens_(tokenizer, request.common.tokens_as_ids),
        usage_(request.prompts.size(), request.common.params.n),
        choices_(request.prompts.size() * static_cast<std::size_t>(request.common.params.n)),
        prompt_positions_(request.prompts.size()) {}

  int index_of(const RequestOutput& piece, int prompt) const {
    return prompt * request_.common.params.n + piece.index;
  }
  Choice& at(int index) { return choices_[index]; }
  std::size_t size() const { return choices_.size(); }
  const UsageCounter& usage() const { return usage_; }
  const GenerationRequest& common() const { return request_.common; }
  bool wants_logprobs() const { return request_.common.params.logprobs.has_value(); }

  /// Adds a piece to its choice, which it returns.
  Choice& take(RequestOutput&& piece, int prompt) {
    const int index = index_of(piece, prompt);
    Choice& choice = choices_[index];
    if (request_.echo_only) piece.completion_tokens = 0;
    usage_.take(piece, prompt, index);
    if (!piece.prompt_logprobs.empty()) prompt_positions_[prompt] = std::move(piece.prompt_logprobs);
    if (!choice.begun) begin(choice, prompt);
    if (!request_.echo_only) {
      choice.text += piece.text;
      if (wants_logprobs()) {
        for (std::size_t i = 0; i < piece.logprobs.size() && i < piece.token_ids.size(); ++i) {
          choice.logprobs.add(piece.token_ids[i], &piece.logprobs[i], top(), tokens_);
        }
      }
    }
    if (piece.finish_reason) {
      choice.finish_reason = request_.echo_only ? Json("length") : finish_reason_json(piece);
      choice.stop_reason = request_.echo_only ? Json(nullptr) : stop_reason_json(piece);
    }
    return choice;
  }

  Json prompt_logprobs_of(std::size_t index) const {
    const auto& positions = prompt_positions_[index / static_cast<std::size_t>(request_.common.params.n)];
    return positions.empty() ? Json(nullptr) : prompt_logprobs(positions, tokens_);
  }

 private:
  int top() const { return request_.common.params.logprobs.value_or(0); }  // -1: all that there are

  void begin(Choice& choice, int prompt) {
    choice.begun = true;
    if (!request_.echo) return;
    const CompletionPrompt& echoed = request_.prompts[prompt];
    choice.text = echoed.text;
    if (!wants_logprobs()) return;
    const auto& positions = prompt_positions_[prompt];
    for (std::size_t i = 0; i < echoed.token_ids.size(); ++i) {
      const bool known = i < positions.size() && positions[i];
      choice.logprobs.add(echoed.token_ids[i], known ? &*positions[i] : nullptr, top(), tokens_);
    }
  }

  CompletionRequest request_;
  TokenText tokens_;
  UsageCounter usage_;
  std::vector<Choice> choices_;
  std::vector<std::vector<std::optional<PositionLogprobs>>> prompt_positions_;
};

class CompletionStream final : public AnswerWriter {
 public:
  CompletionStream(AnswerHead head, const CompletionRequest& request, const Tokenizer& tokenizer)
      : choices_(request, tokenizer) {
    chunk_ = {{"id", std::move(head.id)},
              {"object", "text_completion"},
              {"created", head.created},
              {"model", std::move(head.model)},
              {"choices", Json::array()}};
    if (request.common.include_usage) chunk_["usage"] = nullptr;
  }

  void take(RequestOutput&& piece, int prompt, std::string& out) override {
    const int index = choices_.index_of(piece, prompt);
    const bool has_logprobs = !piece.logprobs.empty();
    const bool finished = piece.finish_reason.has_value();
    Choice& choice = choices_.take(std::move(piece), prompt);
    if (choice.text.empty() && !has_logprobs && !finished && !choices_.common().continuous_usage_stats) return;
    Json logprobs = nullptr;
    if (choices_.wants_logprobs()) logprobs = choice.logprobs.take();
    chunk_["choices"] = Json::array({{{"index", index},
                                      {"text", std::exchange(choice.text, {})},
                                      {"logprobs", std::move(logprobs)},
                                      {"finish_reason", choice.finish_reason},
                                      {"stop_reason", choice.stop_reason}}});
    if (choices_.common().continuous_usage_stats) chunk_["usage"] = choices_.usage().usage_of(prompt, index);
    append_event(out, to_text(chunk_));
  }

  void end(std::string& out) override {
    if (choices_.common().include_usage) {
      chunk_["choices"] = Json::array();
      chunk_["usage"] = choices_.usage().usage();
      append_event(out, to_text(chunk_));
    }
    append_event(out, "[DONE]");
  }

 private:
  Choices choices_;
  Json chunk_;
};

class CompletionBody final : public AnswerWriter {
 public:
  CompletionBody(AnswerHead head, const CompletionRequest& request, const Tokenizer& tokenizer)
      : head_(std::move(head)), choices_(request, tokenizer) {}

  void take(RequestOutput&& piece, int prompt, std::string&) override { choices_.take(std::move(piece), prompt); }

  void end(std::string& out) override {
    Json list = Json::array();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      Choice& choice = choices_.at(static_cast<int>(i));
      Json logprobs = nullptr;
      if (choices_.wants_logprobs()) logprobs = choice.logprobs.take();
      list.push_back({{"index", i},
                      {"text", std::move(choice.text)},
                      {"logprobs", std::move(logprobs)},
                      {"finish_reason", choice.finish_reason},
                      {"stop_reason", choice.stop_reason},
                      {"prompt_logprobs", choices_.prompt_logprobs_of(i)}});
    }
    out += to_text({{"id", head_.id},
                    {"object", "text_completion"},
                    {"created", head_.created},
                    {"model", head_.model},
                    {"choices", std::move(list)},
                    {"service_tier", nullptr},
                    {"system_fingerprint", nullptr},
                    {"usage", choices_.usage().usage()}});
  }

 private:
  AnswerHead head_;
  Choices choices_;
};

}  // namespace

std::unique_ptr<AnswerWriter> make_completion_stream(AnswerHead head, const CompletionRequest& request,
                                                     const Tokenizer& tokenizer) {
  return std::make_unique<CompletionStream>(std::move(head), request, tokenizer);
}

std::unique_ptr<AnswerWriter> make_completion_body(AnswerHead head, const CompletionRequest& request,
                                                   const Tokenizer& tokenizer) {
  return std::make_unique<CompletionBody>(std::move(head), request, tokenizer);
}

}  // namespace cairn
