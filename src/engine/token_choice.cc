#include "engine/token_choice.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace cairn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kSortable = 256;  // candidates that are sorted rather than divided further

bool likelier(const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }

// The first candidate at which the running sum passes `target`; the last one with weight if rounding never lets it.
int draw_candidate(std::span<const Candidate> candidates, double target) {
  double sum = 0;
  int last = candidates.front().id;
  for (const Candidate& c : candidates) {
    if (c.weight == 0) continue;
    sum += c.weight;
    last = c.id;
    if (sum > target) break;
  }
  return last;
}

// Sorts the likeliest first and cuts to the shortest run of them that brings `above` to `mass`, but at least one when
// nothing stands above; returns the new sum.
double keep_until(std::vector<Candidate>& candidates, double above, double mass) {
  std::ranges::sort(candidates, likelier);
  const bool needs_one = above == 0;
  std::size_t keep = 0;
  while (keep < candidates.size() && (above < mass || (needs_one && keep == 0))) above += candidates[keep++].weight;
  candidates.resize(keep);
  return above;
}

// Where top-p cuts: all weights of at least `sure` stay, those in [low, sure) are few enough to sort.
struct Bracket {
  float sure = kInfinity, low = 0;
  Mass above_sure, above_low;
};

// Halves the bracket on a logarithmic scale until few weights are left in it. `floor` is the lowest weight that counts.
Bracket bracket_mass(const RowWeights& weights, float floor, double mass) {
  Bracket bracket;
  double near = 0, far = 1;  // depths: weights e^-depth
  for (;; far *= 2) {
    bracket.low = std::max(floor, far > 80 ? 0.0f : static_cast<float>(std::exp(-far)));
    bracket.above_low = mass_at_least(weights, bracket.low);
    if (bracket.above_low.sum >= mass || bracket.low == floor) break;
    bracket.sure = bracket.low;
    bracket.above_sure = bracket.above_low;
    near = far;
  }
  for (int i = 0; i < 40 && bracket.above_low.count - bracket.above_sure.count > kSortable; ++i) {
    const double middle = (near + far) / 2;
    const auto threshold = static_cast<float>(std::exp(-middle));
    if (threshold <= bracket.low) {  // the floor cut the bracket short
      far = middle;
      continue;
    }
    const Mass above = mass_at_least(weights, threshold);
    if (above.sum >= mass) {
      bracket.low = threshold;
      bracket.above_low = above;
      far = middle;
    } else {
      bracket.sure = threshold;
      bracket.above_sure = above;
      near = middle;
    }
  }
  return bracket;
}

int draw_top_p(std::span<const float> row, float floor, double top_p, double u, ChoiceScratch& scratch) {
  const RowWeights& weights = scratch.weights;
  const double mass = top_p * mass_at_least(weights, floor).sum;
  const Bracket bracket = bracket_mass(weights, floor, mass);
  std::vector<Candidate>& edge = scratch.candidates;
  edge.clear();
  find_range(weights, bracket.low, bracket.sure, scratch.ids);
  for (const int id : scratch.ids) {
    if (id < static_cast<int>(row.size())) edge.push_back({row[id], id, weights.weight[id]});
  }
  const double total = keep_until(edge, bracket.above_sure.sum, mass);
  const double target = u * total;
  if (edge.empty() || target < bracket.above_sure.sum) return draw_above(weights, bracket.sure, target);
  return draw_candidate(edge, target - bracket.above_sure.sum);
}

// Without top-k a filter is a threshold on weights, so no candidates need to be gathered, however flat the row is.
int draw_by_weight(std::span<const float> row, const TokenFilter& filter, float scale, double u,
                   ChoiceScratch& scratch) {
  weigh_row(row, scratch.summary.max, scale, scratch.weights);
  const auto floor = static_cast<float>(filter.min_p);
  if (filter.top_p < 1) return draw_top_p(row, floor, filter.top_p, u, scratch);
  return draw_above(scratch.weights, floor, u * mass_at_least(scratch.weights, floor).sum);
}

void keep_top_k(std::vector<Candidate>& candidates, std::size_t k, std::vector<float>& values) {
  if (candidates.size() <= k) return;
  values.clear();
  for (const Candidate& c : candidates) values.push_back(c.logit);
  const auto kth = values.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(values.begin(), kth, values.end(), std::greater<>());
  std::erase_if(candidates, [limit = *kth](const Candidate& c) { return c.logit < limit; });
}

int draw_of_top_k(std::span<const float> row, const TokenFilter& filter, float scale, double u,
                  ChoiceScratch& scratch) {
  std::vector<Candidate>& candidates = scratch.candidates;
  collect(row, scratch.summary, top_threshold(scratch.summary, filter.top_k, scratch.values), candidates);
  keep_top_k(candidates, static_cast<std::size_t>(filter.top_k), scratch.values);
  double total = 0;
  for (Candidate& c : candidates) {
    c.weight = exp_nonpositive((c.logit - scratch.summary.max) * scale);
    if (c.weight < static_cast<float>(filter.min_p)) c.weight = 0;
    total += c.weight;
  }
  if (filter.top_p < 1) total = keep_until(candidates, 0, filter.top_p * total);
  return draw_candidate(candidates, u * total);
}

}  // namespace

int draw_token(std::span<const float> row, const TokenFilter& filter, double u, ChoiceScratch& scratch) {
  const auto scale = static_cast<float>(1.0 / filter.temperature);
  return filter.top_k > 0 ? draw_of_top_k(row, filter, scale, u, scratch)
                          : draw_by_weight(row, filter, scale, u, scratch);
}

}  // namespace cairn
