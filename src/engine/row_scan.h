// Passes over one row of logits that the sampler is made of; written so that compilers vectorise them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cairn {

/// Elements that share one entry of a row's summaries.
inline constexpr std::int64_t kRowBlock = 128;

/// exp(x) for x <= 0, within 2 ulp; 0 below -87 (where float's normal range ends) and for -inf.
float exp_nonpositive(float x);

/// One pass: the largest value of each block of a row. `max` is the row's; -inf for an empty row. `invalid`:
/// there is a NaN or +inf, and then the rest is worthless.
struct RowSummary {
  std::vector<float> block_max;
  float max = 0;
  bool invalid = false;
};
void summarize(std::span<const float> row, RowSummary& summary);

/// Index of the row's maximum, the first of equals. The summary must be of this row, valid, and not empty.
std::int64_t first_max(std::span<const float> row, const RowSummary& summary);

/// Sum of exp((x - max) * scale). `max` must be the row's.
double exp_sum(std::span<const float> row, float max, float scale);

/// exp((x - max) * scale) of a row, with each block's largest. `max` must be the row's.
struct RowWeights {
  std::vector<float> weight;
  std::vector<float> block_top;
};
void weigh_row(std::span<const float> row, float max, float scale, RowWeights& weights);

/// Sum and number of the weights that are at least `threshold`.
struct Mass {
  double sum = 0;
  std::int64_t count = 0;
};
Mass mass_at_least(const RowWeights& weights, float threshold);

/// Index at which the running sum of the weights that are at least `threshold` passes `target`, in order of index; the
/// last of them with weight if rounding never lets it.
int draw_above(const RowWeights& weights, float threshold, double target);

/// Indices of the weights in [low, high), ascending. With `low` 0 these may lie past the row's end: up to a whole
/// block.
void find_range(const RowWeights& weights, float low, float high, std::vector<int>& found);

/// Number of elements above `value`.
std::int64_t count_above(std::span<const float> row, float value);

struct Candidate {
  float logit;
  int id;
  float weight;  // set by who needs it
};
/// All elements that are at least `threshold`, in order of index; blocks whose maximum is below are skipped.
void collect(std::span<const float> row, const RowSummary& summary, float threshold, std::vector<Candidate>& out);

/// A threshold that at least `k` elements reach, found from block maxima alone; -inf when there are fewer blocks.
/// Usually it leaves little more than `k` to collect.
float top_threshold(const RowSummary& summary, std::int64_t k, std::vector<float>& scratch);

}  // namespace cairn
