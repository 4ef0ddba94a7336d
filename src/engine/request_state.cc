#include "engine/request_state.h"

#include <algorithm>

namespace cairn {

StopCheck check_stop(const Sequence& sequence, std::int64_t max_model_len) {
  const RequestInfo& request = *sequence.request;
  const auto outputs = static_cast<int>(sequence.output.size());
  const int token = sequence.output.back();
  const auto is_in = [token](const std::vector<int>& ids) { return std::ranges::find(ids, token) != ids.end(); };
  StopCheck check;
  if (outputs >= request.params.min_tokens) {
    const bool listed = is_in(request.params.stop_token_ids);
    if (listed || is_in(request.eos_token_ids)) {
      check.finish_reason = FinishReason::stop;
      if (listed || request.primary_eos != token) check.stop_reason = token;
      return check;
    }
  }
  if (outputs >= request.max_output_tokens || sequence.num_tokens() >= max_model_len) {
    check.finish_reason = FinishReason::length;
  }
  return check;
}

}  // namespace cairn
