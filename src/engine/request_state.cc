#include "engine/request_state.h"

#include <algorithm>

namespace cairn {

std::optional<std::pair<FinishReason, StopReason>> check_stop(const Sequence& sequence, std::int64_t max_model_len) {
  const RequestInfo& request = *sequence.request;
  const auto outputs = static_cast<int>(sequence.output.size());
  const int token = sequence.output.back();
  if (outputs >= request.params.min_tokens) {
    if (std::ranges::find(request.params.stop_token_ids, token) != request.params.stop_token_ids.end()) {
      return std::pair{FinishReason::stop, StopReason(token)};
    }
    if (std::ranges::find(request.eos_token_ids, token) != request.eos_token_ids.end()) {
      return std::pair{FinishReason::stop, request.primary_eos == token ? StopReason() : StopReason(token)};
    }
  }
  if (outputs >= request.max_output_tokens || sequence.num_tokens() >= max_model_len) {
    return std::pair{FinishReason::length, StopReason()};
  }
  return std::nullopt;
}

}  // namespace cairn
