#include "engine/row_scan.h"

#include <algorithm>
#include <array>
#include <cstring>
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
// Comparisons stand in ?: between floats, and counts are floats too: GCC 12 takes other forms apart lane by lane.
// CAIRN_ROW_PART: inlined into each clone; vectors go by reference, as their passing by value differs between levels.
#define CAIRN_ROW_PART static inline __attribute__((always_inline))

namespace cairn {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef float HalfFloats __attribute__((vector_size(32)));
typedef float QuarterFloats __attribute__((vector_size(16)));
typedef std::int32_t Ints __attribute__((vector_size(64)));

CAIRN_ROW_PART void load(const float* from, Floats& to) { std::memcpy(&to, from, sizeof(to)); }
CAIRN_ROW_PART void raise(Floats& top, const Floats& x) { top = x > top ? x : top; }

CAIRN_ROW_PART float sum_of(const Floats& lanes) {
  HalfFloats low, high;
  std::memcpy(&low, &lanes, sizeof(low));
  std::memcpy(&high, reinterpret_cast<const char*>(&lanes) + sizeof(low), sizeof(high));
  low += high;
  return ((low[0] + low[4]) + (low[1] + low[5])) + ((low[2] + low[6]) + (low[3] + low[7]));
}

CAIRN_ROW_PART float max_of(const Floats& lanes) {
  HalfFloats low, high;
  std::memcpy(&low, &lanes, sizeof(low));
  std::memcpy(&high, reinterpret_cast<const char*>(&lanes) + sizeof(low), sizeof(high));
  low = low > high ? low : high;
  QuarterFloats first, second;
  std::memcpy(&first, &low, sizeof(first));
  std::memcpy(&second, reinterpret_cast<const char*>(&low) + sizeof(first), sizeof(second));
  first = first > second ? first : second;
  return std::max(std::max(first[0], first[1]), std::max(first[2], first[3]));
}

// x = exp(x) for x <= 0: 2^n * e^r with n the nearest integer of x / ln 2; e^r by Taylor's series, |r| <= ln(2) / 2, so
// the rest is below 2e-7.
CAIRN_ROW_PART void exponentiate(Floats& x) {
  const Floats round = Floats{} + 12582912.0f;  // 1.5 * 2^23: adding it leaves the rounded integer in the low bits
  const Floats lowest = Floats{} - 87.0f;
  const Floats clamped = x > lowest ? x : lowest;
  const Floats shifted = clamped * 1.44269504f + round;
  const Floats n = shifted - round;
  const Floats r = (clamped - n * 0.693145752f) - n * 1.42860677e-6f;  // ln 2 in two parts
  Floats series = Floats{} + 1.0f / 720;
  series = series * r + 1.0f / 120;
  series = series * r + 1.0f / 24;
  series = series * r + 1.0f / 6;
  series = series * r + 0.5f;
  series = series * r + 1.0f;
  series = series * r + 1.0f;
  const Floats result = (Floats)((Ints)series + ((Ints)shifted << 23));
  x = x < lowest ? Floats{} : result;
}

CAIRN_ROW_LOOP static void block_maxima(const float* row, std::int64_t blocks, float* maxima, bool* invalid) {
  const Floats largest = Floats{} + std::numeric_limits<float>::max();
  const Floats one = Floats{} + 1.0f;
  Floats valid{};
  for (std::int64_t b = 0; b < blocks; ++b) {
    Floats top = Floats{} - kInfinity, x;
    for (int i = 0; i < kRowBlock; i += kLanes) {
      load(row + b * kRowBlock + i, x);
      raise(top, x);
      valid += x <= largest ? one : Floats{};
    }
    maxima[b] = max_of(top);
  }
  *invalid = sum_of(valid) != static_cast<float>(blocks * kRowBlock);
}

CAIRN_ROW_LOOP static void block_weights(const float* row, std::int64_t blocks, float max, float scale, float* weight,
                                         float* tops) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    Floats top{}, x;
    for (int i = 0; i < kRowBlock; i += kLanes) {
      load(row + b * kRowBlock + i, x);
      x = (x - max) * scale;
      exponentiate(x);
      std::memcpy(weight + b * kRowBlock + i, &x, sizeof(x));
      raise(top, x);
    }
    tops[b] = max_of(top);
  }
}

CAIRN_ROW_LOOP static double exp_sum_loop(const float* row, std::int64_t blocks, float max, float scale) {
  double total = 0;
  for (std::int64_t b = 0; b < blocks; ++b) {
    Floats sum{}, x;
    for (int i = 0; i < kRowBlock; i += kLanes) {
      load(row + b * kRowBlock + i, x);
      x = (x - max) * scale;
      exponentiate(x);
      sum += x;
    }
    total += sum_of(sum);
  }
  return total;
}

// Sums in float over a run of blocks, which is exact enough, and in double over the runs.
CAIRN_ROW_LOOP static Mass mass_loop(const float* weight, const float* tops, std::int64_t blocks, float threshold) {
  constexpr std::int64_t kRun = 16;
  const Floats one = Floats{} + 1.0f;
  Mass mass;
  for (std::int64_t first = 0; first < blocks; first += kRun) {
    Floats sum{}, w;
    Floats count{};
    for (std::int64_t b = first; b < std::min(first + kRun, blocks); ++b) {
      if (tops[b] < threshold) continue;
      for (int i = 0; i < kRowBlock; i += kLanes) {
        load(weight + b * kRowBlock + i, w);
        sum += w >= threshold ? w : Floats{};
        count += w >= threshold ? one : Floats{};
      }
    }
    mass.sum += sum_of(sum);
    mass.count += static_cast<std::int64_t>(sum_of(count));
  }
  return mass;
}

CAIRN_ROW_LOOP static void find_range_loop(const float* weight, const float* tops, std::int64_t blocks, float low,
                                           float high, std::vector<int>& found) {
  const Floats one = Floats{} + 1.0f;
  Floats w;
  for (std::int64_t b = 0; b < blocks; ++b) {
    if (tops[b] < low) continue;
    Floats inside{};
    for (std::int64_t i = b * kRowBlock; i < (b + 1) * kRowBlock; i += kLanes) {
      load(weight + i, w);
      inside += w >= low ? one : Floats{};
      inside -= w >= high ? one : Floats{};
    }
    if (sum_of(inside) == 0) continue;
    for (std::int64_t i = b * kRowBlock; i < (b + 1) * kRowBlock; ++i) {
      if (weight[i] >= low && weight[i] < high) found.push_back(static_cast<int>(i));
    }
  }
}

// The block in which the running sum of weights of at least `threshold` passes `target`, and `sum` before it; the last
// block with such weights if rounding never lets it.
CAIRN_ROW_LOOP static std::int64_t find_block_loop(const float* weight, const float* tops, std::int64_t blocks,
                                                   float threshold, double target, double* sum) {
  std::int64_t last = 0;
  double before_last = 0, running = 0;
  Floats w;
  for (std::int64_t b = 0; b < blocks; ++b) {
    if (tops[b] < threshold || tops[b] == 0) continue;
    Floats part{};
    for (int i = 0; i < kRowBlock; i += kLanes) {
      load(weight + b * kRowBlock + i, w);
      part += w >= threshold ? w : Floats{};
    }
    last = b;
    before_last = running;
    running += sum_of(part);
    if (running > target) break;
  }
  *sum = before_last;
  return last;
}

CAIRN_ROW_LOOP static std::int64_t count_above_loop(const float* row, std::int64_t blocks, float value) {
  const Floats one = Floats{} + 1.0f;
  Floats count{}, x;
  for (std::int64_t i = 0; i < blocks * kRowBlock; i += kLanes) {
    load(row + i, x);
    count += x > value ? one : Floats{};
  }
  return static_cast<std::int64_t>(sum_of(count));
}

namespace {

std::int64_t block_count(std::span<const float> row) {
  return (static_cast<std::int64_t>(row.size()) + kRowBlock - 1) / kRowBlock;
}

std::span<const float> block_of(std::span<const float> row, std::int64_t block) {
  const auto start = static_cast<std::size_t>(block * kRowBlock);
  return row.subspan(start, std::min<std::size_t>(kRowBlock, row.size() - start));
}

std::int64_t whole_blocks(std::span<const float> row) { return static_cast<std::int64_t>(row.size()) / kRowBlock; }

// A row's last, incomplete block, filled up with what weighs nothing.
std::array<float, kRowBlock> padded_end(std::span<const float> row) {
  std::array<float, kRowBlock> end;
  end.fill(-kInfinity);
  std::ranges::copy(block_of(row, whole_blocks(row)), end.begin());
  return end;
}

}  // namespace

float exp_nonpositive(float x) {
  Floats lanes = Floats{} + x;
  exponentiate(lanes);
  return lanes[0];
}

void summarize(std::span<const float> row, RowSummary& summary) {
  const std::int64_t whole = whole_blocks(row);
  summary.block_max.resize(static_cast<std::size_t>(block_count(row)));
  block_maxima(row.data(), whole, summary.block_max.data(), &summary.invalid);
  if (whole < block_count(row)) {
    bool end_invalid = false;
    block_maxima(padded_end(row).data(), 1, &summary.block_max.back(), &end_invalid);
    summary.invalid |= end_invalid;
  }
  summary.max = summary.block_max.empty() ? -kInfinity : *std::ranges::max_element(summary.block_max);
}

std::int64_t first_max(std::span<const float> row, const RowSummary& summary) {
  const auto block = std::ranges::find(summary.block_max, summary.max) - summary.block_max.begin();
  const auto values = block_of(row, block);
  return block * kRowBlock + (std::ranges::find(values, summary.max) - values.begin());
}

double exp_sum(std::span<const float> row, float max, float scale) {
  const std::int64_t whole = whole_blocks(row);
  const double sum = exp_sum_loop(row.data(), whole, max, scale);
  return whole == block_count(row) ? sum : sum + exp_sum_loop(padded_end(row).data(), 1, max, scale);
}

void weigh_row(std::span<const float> row, float max, float scale, RowWeights& weights) {
  const std::int64_t whole = whole_blocks(row);
  const auto blocks = static_cast<std::size_t>(block_count(row));
  weights.weight.resize(blocks * kRowBlock);  // whole blocks, so that later passes have no ragged end
  weights.block_top.resize(blocks);
  float* weight = weights.weight.data();
  block_weights(row.data(), whole, max, scale, weight, weights.block_top.data());
  if (whole == block_count(row)) return;
  block_weights(padded_end(row).data(), 1, max, scale, weight + whole * kRowBlock, &weights.block_top.back());
}

Mass mass_at_least(const RowWeights& weights, float threshold) {
  return mass_loop(weights.weight.data(), weights.block_top.data(), static_cast<std::int64_t>(weights.block_top.size()),
                   threshold);
}

int draw_above(const RowWeights& weights, float threshold, double target) {
  double sum = 0;
  const std::int64_t block =
      find_block_loop(weights.weight.data(), weights.block_top.data(),
                      static_cast<std::int64_t>(weights.block_top.size()), threshold, target, &sum);
  std::int64_t chosen = block * kRowBlock;
  for (std::int64_t i = block * kRowBlock; i < (block + 1) * kRowBlock; ++i) {
    const float w = weights.weight[i];
    if (w < threshold || w == 0) continue;
    chosen = i;
    sum += w;
    if (sum > target) break;
  }
  return static_cast<int>(chosen);
}

void find_range(const RowWeights& weights, float low, float high, std::vector<int>& found) {
  found.clear();
  find_range_loop(weights.weight.data(), weights.block_top.data(), static_cast<std::int64_t>(weights.block_top.size()),
                  low, high, found);
}

std::int64_t count_above(std::span<const float> row, float value) {
  const std::int64_t whole = whole_blocks(row);
  const std::int64_t count = count_above_loop(row.data(), whole, value);
  return whole == block_count(row) ? count : count + count_above_loop(padded_end(row).data(), 1, value);
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
