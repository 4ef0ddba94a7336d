#include "engine/token_choice.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace cairn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

bool likelier(const Candidate& a, const Candidate& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }

double weigh(std::vector<Candidate>& candidates, float max, float scale) {
  double sum = 0;
  for (Candidate& c : candidates) {
    c.weight = exp_nonpositive((c.logit - max) * scale);
    sum += c.weight;
  }
  return sum;
}

// The first candidate at which the running sum passes u * total; the last one with weight if rounding never lets it.
int draw(std::span<const Candidate> candidates, double total, double u) {
  const double target = u * total;
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

int draw_unfiltered(std::span<const float> row, float max, float scale, double u, ChoiceScratch& scratch) {
  const double target = u * exp_sum(row, max, scale, scratch.block_sums);
  double sum = 0;
  std::size_t block = 0, last = 0;
  for (; block < scratch.block_sums.size(); ++block) {
    if (scratch.block_sums[block] > 0) last = block;
    if (sum + scratch.block_sums[block] > target) break;
    sum += scratch.block_sums[block];
  }
  if (block == scratch.block_sums.size()) block = last;
  const std::size_t start = block * kRowBlock;
  const std::size_t end = std::min(row.size(), start + kRowBlock);
  std::size_t chosen = start;
  for (std::size_t i = start; i < end; ++i) {
    const float weight = exp_nonpositive((row[i] - max) * scale);
    if (weight == 0) continue;
    sum += weight;
    chosen = i;
    if (sum > target) break;
  }
  return static_cast<int>(chosen);
}

void keep_top_k(std::vector<Candidate>& candidates, std::size_t k, std::vector<float>& values) {
  if (candidates.size() <= k) return;
  values.clear();
  for (const Candidate& c : candidates) values.push_back(c.logit);
  const auto kth = values.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(values.begin(), kth, values.end(), std::greater<>());
  std::erase_if(candidates, [limit = *kth](const Candidate& c) { return c.logit < limit; });
}

// Cuts to the shortest run of likeliest candidates whose weights reach `mass`; returns their sum. Quickselect on mass:
// each round halves the range that holds the cut, so the whole is linear.
double keep_top_mass(std::vector<Candidate>& candidates, double mass) {
  std::size_t low = 0, high = candidates.size();
  double above = 0;  // weight of [0, low), all of which stays
  while (high - low > 64) {
    const std::size_t middle = low + (high - low) / 2;
    const auto at = [&](std::size_t i) { return candidates.begin() + static_cast<std::ptrdiff_t>(i); };
    std::nth_element(at(low), at(middle), at(high), likelier);
    double upper = 0;
    for (std::size_t i = low; i < middle; ++i) upper += candidates[i].weight;
    if (above + upper >= mass) {
      high = middle;
    } else {
      above += upper;
      low = middle;
    }
  }
  std::sort(candidates.begin() + static_cast<std::ptrdiff_t>(low),
            candidates.begin() + static_cast<std::ptrdiff_t>(high), likelier);
  std::size_t keep = low;
  while (keep < high && (keep == 0 || above < mass)) above += candidates[keep++].weight;
  candidates.resize(keep);
  return above;
}

// Candidates that surely hold the nucleus: lowers the bar until what is above it has the mass.
void collect_mass(std::span<const float> row, float scale, double mass, ChoiceScratch& scratch) {
  const float max = scratch.summary.max;
  for (const float depth : {4.0f, 10.0f, kInfinity}) {
    collect(row, scratch.summary, max - depth / scale, scratch.candidates);
    if (weigh(scratch.candidates, max, scale) >= mass || depth == kInfinity) return;
  }
}

}  // namespace

int draw_token(std::span<const float> row, const TokenFilter& filter, double u, ChoiceScratch& scratch) {
  const float max = scratch.summary.max;
  const auto scale = static_cast<float>(1.0 / filter.temperature);
  const bool narrowed = filter.min_p > 0 || filter.top_k > 0;
  std::vector<Candidate>& candidates = scratch.candidates;
  if (!narrowed && filter.top_p >= 1) return draw_unfiltered(row, max, scale, u, scratch);
  if (!narrowed) {
    const double mass = filter.top_p * exp_sum(row, max, scale, scratch.block_sums);
    collect_mass(row, scale, mass, scratch);
    const double kept = keep_top_mass(candidates, mass);
    return draw(candidates, kept, u);
  }
  float threshold = -kInfinity;
  // A little low: the exact comparison is on weights, below.
  if (filter.min_p > 0) threshold = max + static_cast<float>(std::log(filter.min_p) - 1e-3) / scale;
  if (filter.top_k > 0) threshold = std::max(threshold, top_threshold(scratch.summary, filter.top_k, scratch.values));
  collect(row, scratch.summary, threshold, candidates);
  double total = weigh(candidates, max, scale);
  if (filter.min_p > 0) {
    std::erase_if(candidates, [&](const Candidate& c) { return c.weight < filter.min_p; });
  }
  if (filter.top_k > 0) keep_top_k(candidates, static_cast<std::size_t>(filter.top_k), scratch.values);
  total = 0;
  for (const Candidate& c : candidates) total += c.weight;
  if (filter.top_p < 1) total = keep_top_mass(candidates, filter.top_p * total);
  return draw(candidates, total, u);
}

}  // namespace cairn
