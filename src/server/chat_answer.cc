#include "server/chat_answer.h"

#include <iterator>

#include "server/http_message.h"
#include "server/logprob_format.h"

namespace cairn {
namespace {

class ChatStream final : public AnswerWriter {
 public:
  ChatStream(AnswerHead head, const GenerationRequest& request, const Tokenizer& tokenizer)
      : request_(request),
        tokens_(tokenizer, request.tokens_as_ids),
        usage_(1, request.params.n),
        begun_(static_cast<std::size_t>(request.params.n)) {
    chunk_ = {{"id", std::move(head.id)},
              {"object", "chat.completion.chunk"},
              {"created", head.created},
              {"model", std::move(head.model)},
              {"choices", Json::array()}};
    if (request.include_usage) chunk_["usage"] = nullptr;
  }

  void take(RequestOutput&& piece, int, std::string& out) override {
    usage_.take(piece, 0, piece.index);
    if (!begun_[piece.index]) {
      begun_[piece.index] = true;
      send(piece, {{"role", "assistant"}, {"content", ""}}, nullptr, out, false);
    }
    const bool says_something = !piece.text.empty() || !piece.logprobs.empty() || piece.finish_reason;
    if (!says_something && !request_.continuous_usage_stats) return;
    Json logprobs = nullptr;
    if (request_.params.logprobs) logprobs = {{"content", chat_logprobs(piece.logprobs, tokens_)}};
    Json delta = Json::object();
    if (!piece.text.empty() || !piece.finish_reason) delta["content"] = std::move(piece.text);
    send(piece, std::move(delta), std::move(logprobs), out, true);
  }

  void end(std::string& out) override {
    if (request_.include_usage) {
      chunk_["choices"] = Json::array();
      chunk_["usage"] = usage_.usage();
      append_event(out, to_text(chunk_));
    }
    append_event(out, "[DONE]");
  }

 private:
  void send(const RequestOutput& piece, Json delta, Json logprobs, std::string& out, bool may_finish) {
    Json choice = {{"index", piece.index},
                   {"delta", std::move(delta)},
                   {"logprobs", std::move(logprobs)},
                   {"finish_reason", nullptr}};
    if (may_finish && piece.finish_reason) {
      choice["finish_reason"] = finish_reason_json(piece);
      choice["stop_reason"] = stop_reason_json(piece);
    }
    chunk_["choices"] = Json::array({std::move(choice)});
    if (request_.continuous_usage_stats) chunk_["usage"] = usage_.usage_of(0, piece.index);
    append_event(out, to_text(chunk_));
  }

  GenerationRequest request_;
  TokenText tokens_;
  UsageCounter usage_;
  std::vector<bool> begun_;
  Json chunk_;
};

class ChatBody final : public AnswerWriter {
 public:
  ChatBody(AnswerHead head, const GenerationRequest& request, const Tokenizer& tokenizer)
      : head_(std::move(head)),
        wants_logprobs_(request.params.logprobs.has_value()),
        tokens_(tokenizer, request.tokens_as_ids),
        usage_(1, request.params.n),
        choices_(static_cast<std::size_t>(request.params.n)) {}

  void take(RequestOutput&& piece, int, std::string&) override {
    usage_.take(piece, 0, piece.index);
    Choice& choice = choices_[piece.index];
    choice.text += piece.text;
    std::move(piece.logprobs.begin(), piece.logprobs.end(), std::back_inserter(choice.logprobs));
    if (!piece.prompt_logprobs.empty()) prompt_logprobs_ = prompt_logprobs(piece.prompt_logprobs, tokens_);
    if (piece.finish_reason) {
      choice.finish_reason = finish_reason_json(piece);
      choice.stop_reason = stop_reason_json(piece);
    }
  }

  void end(std::string& out) override {
    Json choices = Json::array();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      Choice& choice = choices_[i];
      Json logprobs = nullptr;
      if (wants_logprobs_) logprobs = {{"content", chat_logprobs(choice.logprobs, tokens_)}};
      choices.push_back({{"index", i},
                         {"message",
                          {{"role", "assistant"},
                           {"content", std::move(choice.text)},
                           {"refusal", nullptr},
                           {"tool_calls", Json::array()}}},
                         {"logprobs", std::move(logprobs)},
                         {"finish_reason", choice.finish_reason},
                         {"stop_reason", choice.stop_reason}});
    }
    out += to_text({{"id", head_.id},
                    {"object", "chat.completion"},
                    {"created", head_.created},
                    {"model", head_.model},
                    {"choices", std::move(choices)},
                    {"service_tier", nullptr},
                    {"system_fingerprint", nullptr},
                    {"usage", usage_.usage()},
                    {"prompt_logprobs", std::move(prompt_logprobs_)}});
  }

 private:
  struct Choice {
    std::string text;
    std::vector<PositionLogprobs> logprobs;
    Json finish_reason, stop_reason;
  };

  AnswerHead head_;
  bool wants_logprobs_;
  TokenText tokens_;
  UsageCounter usage_;
  std::vector<Choice> choices_;
  Json prompt_logprobs_;
};

}  // namespace

std::unique_ptr<AnswerWriter> make_chat_stream(AnswerHead head, const GenerationRequest& request,
                                               const Tokenizer& tokenizer) {
  return std::make_unique<ChatStream>(std::move(head), request, tokenizer);
}

std::unique_ptr<AnswerWriter> make_chat_body(AnswerHead head, const GenerationRequest& request,
                                             const Tokenizer& tokenizer) {
  return std::make_unique<ChatBody>(std::move(head), request, tokenizer);
}

}  // namespace cairn
