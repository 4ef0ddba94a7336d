#include "server/answer.h"

namespace cairn::server {
namespace {

Json usage_json(std::int64_t prompt, std::int64_t completion, std::int64_t cached) {
  return {{"prompt_tokens", prompt},
          {"total_tokens", prompt + completion},
          {"completion_tokens", completion},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

}  // namespace

void UsageCounter::add(const Piece& piece) {
  prompts_[piece.prompt] = {piece.output.prompt_tokens, piece.output.cached_tokens};
  completions_[{piece.prompt, piece.output.index}] = piece.output.completion_tokens;
}

Json UsageCounter::total() const {
  std::int64_t prompt = 0, cached = 0, completion = 0;
  for (const auto& [index, tokens] : prompts_) {
    prompt += tokens.all;
    cached += tokens.cached;
  }
  for (const auto& [choice, tokens] : completions_) completion += tokens;
  return usage_json(prompt, no_completions_ ? 0 : completion, cached);
}

Json UsageCounter::of(const Piece& piece) {
  return usage_json(piece.output.prompt_tokens, piece.output.completion_tokens, piece.output.cached_tokens);
}

Json stop_reason_json(const RequestOutput& output) {
  if (const int* token = std::get_if<int>(&output.stop_reason)) return *token;
  if (const std::string* text = std::get_if<std::string>(&output.stop_reason)) return *text;
  return nullptr;
}

Json finish_reason_json(const RequestOutput& output) {
  return output.finish_reason ? Json(to_string(*output.finish_reason)) : Json(nullptr);
}

}  // namespace cairn::server
