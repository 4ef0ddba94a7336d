#include "engine/row_scan.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

// One build runs everywhere: the compiler makes these loops once for each level and the loader picks. Sanitizers cannot
// run before the loader's choice, so they get the plain loops.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define CAIRN_ROW_LOOP __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CAIRN_ROW_LOOP
#endif

namespace cairn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kLanes = 16;

// 2^n * e^r with n the nearest integer of x / ln 2; e^r by Taylor's series, |r| <= ln(2) / 2, so the rest is below
// 2e-7.
inline __attribute__((always_inline)) float fast_exp(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  const float clamped = x > -87.0f ? x : -87.0f;
  const float shifted = clamped * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693145752f) - n * 1.42860677e-6f;  // ln 2 in two parts
  float series = 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r + 1.0f;
  series = series * r + 1.0f;
  const auto exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
  const float result = std::bit_cast<float>(std::bit_cast<std::uint32_t>(series) + exponent);
  return x < -87.0f ? 0.0f : result;
}

CAIRN_ROW_LOOP void block_maxima(const float* row, std::int64_t blocks, float* maxima, std::uint32_t* nan) {
  std::uint32_t wrong[kLanes] = {};
  for (std::int64_t b = 0; b < blocks; ++b) {
    float lane[kLanes];
    for (int l = 0; l < kLanes; ++l) lane[l] = -kInfinity;
    const float* x = row + b * kRowBlock;
    for (int i = 0; i < kRowBlock; i += kLanes) {
      for (int l = 0; l < kLanes; ++l) {
        const float v = x[i + l];
        lane[l] = v > lane[l] ? v : lane[l];
        wrong[l] |= v != v ? 1u : 0u;
      }
    }
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) lane[l] = lane[l + half] > lane[l] ? lane[l + half] : lane[l];
    }
    maxima[b] = lane[0];
  }
  for (int l = 0; l < kLanes; ++l) *nan |= wrong[l];
}

CAIRN_ROW_LOOP void block_exp_sums(const float* row, std::int64_t blocks, float max, float scale, double* sums) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    float lane[kLanes] = {};
    const float* x = row + b * kRowBlock;
    for (int i = 0; i < kRowBlock; i += kLanes) {
      for (int l = 0; l < kLanes; ++l) lane[l] += fast_exp((x[i + l] - max) * scale);
    }
    for (int half = kLanes / 2; half > 0; half /= 2) {
      for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
    }
    sums[b] = lane[0];
  }
}

CAIRN_ROW_LOOP std::int64_t count_above_loop(const float* row, std::int64_t n, float value) {
  std::int64_t count = 0;
  for (std::int64_t start = 0; start < n; start += kRowBlock) {
    const std::int64_t end = std::min(start + kRowBlock, n);
    int part = 0;
    for (std::int64_t i = start; i < end; ++i) part += row[i] > value ? 1 : 0;
    count += part;
  }
  return count;
}

std::int64_t block_count(std::span<const float> row) {
  return (static_cast<std::int64_t>(row.size()) + kRowBlock - 1) / kRowBlock;
}

std::span<const float> block_of(std::span<const float> row, std::int64_t block) {
  const auto start = static_cast<std::size_t>(block * kRowBlock);
  return row.subspan(start, std::min<std::size_t>(kRowBlock, row.size() - start));
}

}  // namespace

float exp_nonpositive(float x) { return fast_exp(x); }

void summarize(std::span<const float> row, RowSummary& summary) {
  const auto whole = static_cast<std::int64_t>(row.size()) / kRowBlock;
  summary.block_max.resize(static_cast<std::size_t>(block_count(row)));
  std::uint32_t nan = 0;
  block_maxima(row.data(), whole, summary.block_max.data(), &nan);
  if (whole < block_count(row)) {
    float last = -kInfinity;
    for (const float v : block_of(row, whole)) {
      last = v > last ? v : last;
      nan |= v != v ? 1u : 0u;
    }
    summary.block_max.back() = last;
  }
  summary.has_nan = nan != 0;
  summary.max = summary.block_max.empty() ? -kInfinity : *std::ranges::max_element(summary.block_max);
}

std::int64_t first_max(std::span<const float> row, const RowSummary& summary) {
  const auto block = std::ranges::find(summary.block_max, summary.max) - summary.block_max.begin();
  const auto values = block_of(row, block);
  return block * kRowBlock + (std::ranges::find(values, summary.max) - values.begin());
}

double exp_sum(std::span<const float> row, float max, float scale, std::vector<double>& block_sums) {
  const auto whole = static_cast<std::int64_t>(row.size()) / kRowBlock;
  block_sums.resize(static_cast<std::size_t>(block_count(row)));
  block_exp_sums(row.data(), whole, max, scale, block_sums.data());
  if (whole < block_count(row)) {
    double last = 0;
    for (const float v : block_of(row, whole)) last += fast_exp((v - max) * scale);
    block_sums.back() = last;
  }
  double sum = 0;
  for (const double part : block_sums) sum += part;
  return sum;
}

std::int64_t count_above(std::span<const float> row, float value) {
  return count_above_loop(row.data(), static_cast<std::int64_t>(row.size()), value);
}

void collect(std::span<const float> row, const RowSummary& summary, float threshold, std::vector<Candidate>& out) {
  out.clear();
  for (std::size_t b = 0; b < summary.block_max.size(); ++b) {
    if (summary.block_max[b] < threshold) continue;
    const auto values = block_of(row, static_cast<std::int64_t>(b));
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] >= threshold) out.push_back({values[i], static_cast<int>(b * kRowBlock + i), 0});
    }
  }
}

float top_threshold(const RowSummary& summary, std::int64_t k, std::vector<float>& scratch) {
  if (k > static_cast<std::int64_t>(summary.block_max.size())) return -kInfinity;
  scratch = summary.block_max;
  std::nth_element(scratch.begin(), scratch.begin() + (k - 1), scratch.end(), std::greater<>());
  return scratch[k - 1];
}

}  // namespace cairn
