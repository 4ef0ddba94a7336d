#include "ops/attention/attention_kernels.h"

#include "backends/cpu/vec.h"

namespace cairn::CAIRN_ISA {
namespace {

// Register tile: rows by vectors (groups of 16 positions, or of 16 dims). AVX-512 has 32 registers of a vector each;
// elsewhere a vector takes two or four of 16, and more than one a row spills. The tile does not change the order of any
// sum.
#if defined(CAIRN_ISA_avx512) || defined(CAIRN_ISA_avx512_vnni) || defined(CAIRN_ISA_avx512_bf16)
constexpr int kTileRows = 4, kTileVectors = 4;
#else
constexpr int kTileRows = 4, kTileVectors = 1;
#endif
static_assert(kTileRows == kScoreRows);

struct Pair {
  Vf low, high;
};

struct Bf16Cache {
  using Stored = std::uint16_t;
  CAIRN_INLINE Pair load_pairs(const std::uint16_t* p) {
    const Vb both = bload(p);
    return {bf16_low(both), bf16_high(both)};
  }
};
struct F32Cache {
  using Stored = float;
  CAIRN_INLINE Pair load_pairs(const float* p) {
    float low[16], high[16];
    for (int i = 0; i < 16; ++i) low[i] = p[2 * i], high[i] = p[2 * i + 1];
    return {load(low), load(high)};
  }
};

// scores[r][16 g + lane] = q[r] . k[g][lane] for kRows rows and kVectors groups.
template <typename Cache, int kRows, int kVectors>
CAIRN_INLINE void score_tile(const float* q, std::int64_t head_dim, const void* const* k, float* scores,
                             bool prefetch) {
  using Stored = typename Cache::Stored;
  Vf acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int g = 0; g < kVectors; ++g) acc[r][g] = zero();
  for (std::int64_t d = 0; d < head_dim; d += 2) {
    if (prefetch)
      for (int g = 0; g < kVectors; ++g) __builtin_prefetch(static_cast<const Stored*>(k[kAhead + g]) + d * kKvGroup);
#pragma GCC unroll 4
    for (int g = 0; g < kVectors; ++g) {
      const Pair key = Cache::load_pairs(static_cast<const Stored*>(k[g]) + d * kKvGroup);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        acc[r][g] = fma(key.low, set1(q[r * head_dim + d]), acc[r][g]);
        acc[r][g] = fma(key.high, set1(q[r * head_dim + d + 1]), acc[r][g]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int g = 0; g < kVectors; ++g) store(scores + r * kStepTokens + g * 16, acc[r][g]);
}

template <typename Cache, int kRows>
CAIRN_INLINE void score_rows(const AttentionStep& step, std::int64_t row, std::int64_t groups) {
  const bool prefetch = row < kTileRows;  // later rows find the keys in the cache
  const float* q = step.q + row * step.head_dim;
  std::int64_t g = 0;
  for (; g + kTileVectors <= groups; g += kTileVectors)
    score_tile<Cache, kRows, kTileVectors>(q, step.head_dim, step.k + g, step.scores + g * 16, prefetch);
  for (; g < groups; ++g) score_tile<Cache, kRows, 1>(q, step.head_dim, step.k + g, step.scores + g * 16, prefetch);
}

// What exponents are taken from: the maximum, or 0 when everything so far was -inf, so that e^(-inf - m) is 0 and not
// nan.
CAIRN_INLINE float base_of(float maximum) { return maximum == -__builtin_inff() ? 0.0f : maximum; }

struct Softmax {
  float maximum, sum;
};

// Turns n scores into e^(score - maximum); positions beyond n become 0 up to the group's end.
CAIRN_INLINE Softmax softmax_row(float* scores, std::int64_t n) {
  alignas(64) static constexpr float kLane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::int64_t groups = (n + 15) / 16;
  float* last = scores + (groups - 1) * 16;
  const Vf within = set1(static_cast<float>(n - (groups - 1) * 16));
  store(last, select_less(load(kLane), within, load(last), set1(-__builtin_inff())));
  Vf maximum = load(scores);
  for (std::int64_t g = 1; g < groups; ++g) maximum = max(maximum, load(scores + g * 16));
  const float m = reduce_max(maximum);
  const Vf base = set1(base_of(m));
  Vf sum = zero();
  for (std::int64_t g = 0; g < groups; ++g) {
    const Vf p = exp(load(scores + g * 16) - base);
    store(scores + g * 16, p);
    sum = sum + p;
  }
  return {m, reduce_add(sum)};
}

struct Scales {
  Vf earlier, later;
};

// Updates maximum and sum of `state` by those of a later range; returns what each side's weighted sum is multiplied by.
CAIRN_INLINE Scales merge_sums(float* state, float maximum, float sum) {
  const float m = maximum > state[0] ? maximum : state[0];
  const Vf base = set1(base_of(m));
  const Scales scales = {exp(set1(state[0]) - base), exp(set1(maximum) - base)};
  store_n(state + 1, fma(set1(state[1]), scales.earlier, set1(sum) * scales.later), 1);
  state[0] = m;
  return scales;
}

// Weighted sums of kRows rows over 16 * kVectors dims from `dim`, merged into (or written to) the rows' states.
template <typename Cache, int kRows, int kVectors>
CAIRN_INLINE void value_tile(const AttentionStep& step, std::int64_t row, std::int64_t dim, const Scales* scales) {
  using Stored = typename Cache::Stored;
  const std::int64_t d = step.head_dim;
  auto pairs_at = [&](std::int64_t pair) {
    return static_cast<const Stored*>(step.v[pair / 8]) + (pair % 8 * d + dim) * 2;
  };
  Vf acc[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int j = 0; j < kVectors; ++j) acc[r][j] = zero();
  const std::int64_t common = step.visible[row] / 2;  // pairs that every row sees: the first row sees least
  const bool prefetch = row < kTileRows;
  for (std::int64_t pair = 0; pair < common; ++pair) {
    const Stored* v = pairs_at(pair);
    if (prefetch)
      for (int j = 0; j < kVectors; ++j) __builtin_prefetch(pairs_at(pair + 8 * kAhead) + j * 32);
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      const Pair value = Cache::load_pairs(v + j * 32);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        acc[r][j] = fma(value.low, set1(step.scores[r * kStepTokens + 2 * pair]), acc[r][j]);
        acc[r][j] = fma(value.high, set1(step.scores[r * kStepTokens + 2 * pair + 1]), acc[r][j]);
      }
    }
  }
  // Positions that a row does not see may hold anything (nan too): they are left out, not multiplied by 0.
  for (int r = 0; r < kRows; ++r) {
    for (std::int64_t token = 2 * common; token < step.visible[row + r]; ++token) {
      const Stored* v = pairs_at(token / 2);
      for (int j = 0; j < kVectors; ++j) {
        const Pair value = Cache::load_pairs(v + j * 32);
        acc[r][j] = fma(token % 2 ? value.high : value.low, set1(step.scores[r * kStepTokens + token]), acc[r][j]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float* sums = step.states + (row + r) * step.state_stride + kStateHeader + dim;
    for (int j = 0; j < kVectors; ++j)
      store(sums + 16 * j,
            step.fresh ? acc[r][j] : fma(load(sums + 16 * j), scales[r].earlier, acc[r][j] * scales[r].later));
  }
}

template <typename Cache, int kRows>
void step_rows(const AttentionStep& step, std::int64_t row) {
  score_rows<Cache, kRows>(step, row, (step.visible[row + kRows - 1] + 15) / 16);
  Scales scales[kRows];
  for (int r = 0; r < kRows; ++r) {
    const Softmax softmax = softmax_row(step.scores + r * kStepTokens, step.visible[row + r]);
    float* state = step.states + (row + r) * step.state_stride;
    if (step.fresh) {
      state[0] = softmax.maximum, state[1] = softmax.sum;
      scales[r] = {zero(), zero()};
    } else {
      scales[r] = merge_sums(state, softmax.maximum, softmax.sum);
    }
  }
  std::int64_t dim = 0;
  if constexpr (kTileVectors == 4 && kRows <= 2) {
    for (; dim + 128 <= step.head_dim; dim += 128) value_tile<Cache, kRows, 8>(step, row, dim, scales);
  }
  for (; dim + 16 * kTileVectors <= step.head_dim; dim += 16 * kTileVectors)
    value_tile<Cache, kRows, kTileVectors>(step, row, dim, scales);
  for (; dim < step.head_dim; dim += 16) value_tile<Cache, kRows, 1>(step, row, dim, scales);
}

template <typename Cache>
void run_step(const AttentionStep& step) {
  std::int64_t row = 0;
  while (row < step.rows && step.visible[row] == 0) ++row;  // rows that see nothing keep their state to the bit
  for (; row + kTileRows <= step.rows; row += kTileRows) step_rows<Cache, kTileRows>(step, row);
  const std::int64_t rest = step.rows - row;
  if (rest == 3) return step_rows<Cache, 3>(step, row);
  if (rest == 2) return step_rows<Cache, 2>(step, row);
  if (rest == 1) step_rows<Cache, 1>(step, row);
}

void step(const AttentionStep& step) { step.bf16 ? run_step<Bf16Cache>(step) : run_step<F32Cache>(step); }

void merge(float* state, const float* later, std::int64_t head_dim) {
  const Scales scales = merge_sums(state, later[0], later[1]);
  for (std::int64_t i = kStateHeader; i < kStateHeader + head_dim; i += 16)
    store(state + i, fma(load(state + i), scales.earlier, load(later + i) * scales.later));
}

void finish(const float* state, float* out, std::int64_t head_dim) {
  const Vf sum = set1(state[1]);
  for (std::int64_t i = 0; i < head_dim; i += 16)
    store(out + i, state[1] == 0 ? zero() : load(state + kStateHeader + i) / sum);
}

}  // namespace

extern const AttentionTable kAttentionTable;
const AttentionTable kAttentionTable = {step, merge, finish};

}  // namespace cairn::CAIRN_ISA
