#include "engine/logprobs.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace cairn {

PositionLogprobs compute_logprobs(std::span<const float> row, int token, int count, ChoiceScratch& scratch) {
  summarize(row, scratch.summary);
  if (scratch.summary.invalid || !std::isfinite(scratch.summary.max)) {
    fail(ErrorKind::internal, "the model produced logits that are not numbers");
  }
  const float max = scratch.summary.max;
  const double normalizer = max + std::log(exp_sum(row, max, 1.0f));
  const auto logprob = [&](float logit) { return static_cast<float>(logit - normalizer); };

  PositionLogprobs result;
  result.chosen = {token, logprob(row[token]), static_cast<int>(count_above(row, row[token])) + 1};
  const auto wanted = count < 0 ? row.size() : std::min(row.size(), static_cast<std::size_t>(count));
  if (wanted == 0) return result;
  std::vector<Candidate>& top = scratch.candidates;
  const float threshold = top_threshold(scratch.summary, static_cast<std::int64_t>(wanted), scratch.values);
  collect(row, scratch.summary, threshold, top);
  std::partial_sort(
      top.begin(), top.begin() + static_cast<std::ptrdiff_t>(wanted), top.end(),
      [](const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; });
  result.top.reserve(wanted);
  for (std::size_t i = 0; i < wanted; ++i) {
    const bool tied = i > 0 && top[i].logit == top[i - 1].logit;
    const int rank = tied ? result.top.back().rank : static_cast<int>(i) + 1;
    result.top.push_back({top[i].id, logprob(top[i].logit), rank});
  }
  return result;
}

}  // namespace cairn
