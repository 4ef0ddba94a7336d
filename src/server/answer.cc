#include "server/answer.h"

#include <numeric>

namespace cairn {
namespace {

Json usage_json(std::int64_t prompt, std::int64_t completion, std::int64_t cached) {
  return {{"prompt_tokens", prompt},
          {"total_tokens", prompt + completion},
          {"completion_tokens", completion},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

std::int64_t sum(const std::vector<std::int64_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0});
}

}  // namespace

void UsageCounter::take(const RequestOutput& piece, int prompt, int choice) {
  prompt_tokens_[prompt] = piece.prompt_tokens;
  cached_tokens_[prompt] = piece.cached_tokens;
  completion_tokens_[choice] = piece.completion_tokens;
}

Json UsageCounter::usage() const {
  return usage_json(sum(prompt_tokens_), sum(completion_tokens_), sum(cached_tokens_));
}

Json UsageCounter::usage_of(int prompt, int choice) const {
  return usage_json(prompt_tokens_[prompt], completion_tokens_[choice], cached_tokens_[prompt]);
}

Json finish_reason_json(const RequestOutput& piece) {
  return piece.finish_reason ? Json(to_string(*piece.finish_reason)) : Json(nullptr);
}

Json stop_reason_json(const RequestOutput& piece) {
  if (const int* token = std::get_if<int>(&piece.stop_reason)) return *token;
  if (const auto* text = std::get_if<std::string>(&piece.stop_reason)) return *text;
  return nullptr;
}

}  // namespace cairn
