#include "ops/attention/attention_kernels.h"

#include "backends/cpu/vec.h"

namespace cairn::CAIRN_ISA {
namespace {

// Register tiles: rows by vectors (groups of 16 positions, or of 16 dims). AVX-512 has 32 registers of a vector each;
// elsewhere a vector takes two or four of 16, and more than one a row spills. Wide tiles are for few rows. Tiles do not
// change the order of any sum.
#if defined(CAIRN_ISA_avx512) || defined(CAIRN_ISA_avx512_vnni) || defined(CAIRN_ISA_avx512_bf16)
constexpr int kTallRows = 8, kTallVectors = 2, kTileRows = 4, kTileVectors = 4, kWideRows = 2, kWideVectors = 8;
#else
constexpr int kTallRows = 4, kTallVectors = 1, kTileRows = 4, kTileVectors = 1, kWideRows = 2, kWideVectors = 1;
#endif

constexpr std::int64_t kPartTokens = 64;

// Calls tile.run<kRows, kVectors>(row, v) over all rows from `begin` on, vectors [first, last). The vectors are the
// outer loop: what they load stays in the first cache for all rows.
template <int kRows, int kVectors, typename Tile>
CAIRN_INLINE void over_rows(std::int64_t& row, std::int64_t end, std::int64_t v, const Tile& tile) {
  for (; row + kRows <= end; row += kRows) tile.template run<kRows, kVectors>(row, v);
}
template <int kVectors, typename Tile>
CAIRN_INLINE void over_tiles(std::int64_t begin, std::int64_t end, std::int64_t& v, std::int64_t last,
                             const Tile& tile) {
  for (; v + kVectors <= last; v += kVectors) {
    std::int64_t row = begin;
    if constexpr (kVectors <= kTallVectors) over_rows<kTallRows, kVectors>(row, end, v, tile);
    if constexpr (kVectors <= kTileVectors) over_rows<kTileRows, kVectors>(row, end, v, tile);
    over_rows<kWideRows, kVectors>(row, end, v, tile);
    over_rows<1, kVectors>(row, end, v, tile);
  }
}
template <typename Tile>
CAIRN_INLINE void over_all(std::int64_t begin, std::int64_t end, std::int64_t last, const Tile& tile) {
  std::int64_t v = 0;
  if (end - begin <= kWideRows) over_tiles<kWideVectors>(begin, end, v, last, tile);
  if (end - begin < kTallRows) over_tiles<kTileVectors>(begin, end, v, last, tile);
  over_tiles<kTallVectors>(begin, end, v, last, tile);
  over_tiles<1>(begin, end, v, last, tile);
}

// How elements of the cache are multiplied with factors (a row of q, or probabilities). Both caches keep pairs
// together: an operand is 16 lanes of two elements, and a sum grows by both products of a pair, the first one first.

struct Pair {
  Vf first, second;
};

template <typename Element>
struct Plain {  // f32 products, each rounded
  using Stored = Element;
  using Factor = float;
  using Operand = Pair;
  CAIRN_INLINE Pair load_operand(const std::uint16_t* p) {
    const Vb both = bload(p);
    return {bf16_low(both), bf16_high(both)};
  }
  CAIRN_INLINE Pair load_operand(const float* p) {
    float first[16], second[16];
    for (int i = 0; i < 16; ++i) first[i] = p[2 * i], second[i] = p[2 * i + 1];
    return {load(first), load(second)};
  }
  CAIRN_INLINE Vf add(Vf sum, const Pair& pair, const float* factors) {
    return fma(pair.second, set1(factors[1]), fma(pair.first, set1(factors[0]), sum));
  }
  CAIRN_INLINE Vf add_first(Vf sum, const Pair& pair, const float* factor) {
    return fma(pair.first, set1(*factor), sum);
  }
  CAIRN_INLINE void store_factors(float* to, Vf factors) { store(to, factors); }
};

struct Dots {  // bf16 cache and factors, a pair in one instruction
  using Stored = std::uint16_t;
  using Factor = std::uint16_t;
  using Operand = Vb;
  CAIRN_INLINE Vb load_operand(const std::uint16_t* p) { return bload(p); }
  CAIRN_INLINE Vf add(Vf sum, Vb pair, const std::uint16_t* factors) {
    return dot_bf16(sum, pair, broadcast4(factors));
  }
  CAIRN_INLINE Vf add_first(Vf sum, Vb pair, const std::uint16_t* factor) {
    const std::uint32_t bits = static_cast<std::uint32_t>(*factor) << 16;
    float value;
    __builtin_memcpy(&value, &bits, 4);
    return fma(bf16_low(pair), set1(value), sum);
  }
  CAIRN_INLINE void store_factors(std::uint16_t* to, Vf factors) { store_bf16_flushed(to, factors); }
};

// scores[row][16 g + lane] = q[row] . k[g][lane].
template <typename Product, bool kPrefetch>
struct ScoreTile {
  const AttentionStep& step;

  template <int kRows, int kVectors>
  inline __attribute__((always_inline)) void run(std::int64_t row, std::int64_t first) const {
    using Stored = typename Product::Stored;
    if (first * kKvGroup >= step.visible[row + kRows - 1]) return;  // the last row sees most
    const std::int64_t head_dim = step.head_dim;
    const auto* q = static_cast<const typename Product::Factor*>(step.q) + row * head_dim;
    const void* const* k = step.k + first;
    Vf acc[kRows][kVectors];
    for (int r = 0; r < kRows; ++r)
      for (int g = 0; g < kVectors; ++g) acc[r][g] = zero();
    for (std::int64_t d = 0; d < head_dim; d += 2) {
      if (kPrefetch)
        for (int g = 0; g < kVectors; ++g) __builtin_prefetch(static_cast<const Stored*>(k[kAhead + g]) + d * kKvGroup);
#pragma GCC unroll 8
      for (int g = 0; g < kVectors; ++g) {
        const auto key = Product::load_operand(static_cast<const Stored*>(k[g]) + d * kKvGroup);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) acc[r][g] = Product::add(acc[r][g], key, q + r * head_dim + d);
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int g = 0; g < kVectors; ++g)
        store(step.scores + (row + r) * kStepTokens + (first + g) * kKvGroup, acc[r][g]);
  }
};

// What exponents are taken from: the maximum, or 0 when everything so far was -inf, so that e^(-inf - m) is 0 and not
// nan.
CAIRN_INLINE float base_of(float maximum) { return maximum == -__builtin_inff() ? 0.0f : maximum; }

struct Softmax {
  float maximum, sum;
};

// Turns n scores into factors e^(score - maximum) in the same place; positions beyond n become 0 up to the group's end.
template <typename Product>
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
    Product::store_factors(reinterpret_cast<typename Product::Factor*>(scores) + g * 16, p);
    sum = sum + p;
  }
  return {m, reduce_add(sum)};
}

// Updates maximum and sum of `state` by those of a later range, and keeps what each side's weighted sum is to be
// multiplied by: the earlier one's by [2], the later one's by [3].
CAIRN_INLINE void merge_sums(float* state, float maximum, float sum) {
  const float m = maximum > state[0] ? maximum : state[0];
  const Vf base = set1(base_of(m));
  const Vf earlier = exp(set1(state[0]) - base), later = exp(set1(maximum) - base);
  store_n(state + 1, fma(set1(state[1]), earlier, set1(sum) * later), 1);
  store_n(state + 2, earlier, 1);
  store_n(state + 3, later, 1);
  state[0] = m;
}

// Weighted sums of rows over 16 dims a vector and the positions [begin, end) of a step; begin and end are even. They
// wait in step.sums between the parts of a step, and the last part merges them into (or writes them to) the rows'
// states.
template <typename Product, bool kPrefetch>
struct ValueTile {
  const AttentionStep& step;
  std::int64_t begin, end;
  bool last;

  template <int kRows, int kVectors>
  inline __attribute__((always_inline)) void run(std::int64_t row, std::int64_t first) const {
    using Stored = typename Product::Stored;
    using Factor = typename Product::Factor;
    const std::int64_t d = step.head_dim, dim = first * 16;
    auto pairs_at = [&](std::int64_t pair) __attribute__((always_inline)) {
      return static_cast<const Stored*>(step.v[pair / 8]) + (pair % 8 * d + dim) * 2;
    };
    const auto* factors = reinterpret_cast<const Factor*>(step.scores + row * kStepTokens);
    constexpr std::int64_t kFactorStride = kStepTokens * sizeof(float) / sizeof(Factor);
    float* sums = step.sums + row * d + dim;
    Vf acc[kRows][kVectors];
    for (int r = 0; r < kRows; ++r)
      for (int j = 0; j < kVectors; ++j) acc[r][j] = begin == 0 ? zero() : load(sums + r * d + 16 * j);
    auto seen = [&](int r) { return step.visible[row + r] < end ? step.visible[row + r] : end; };
    // Pairs that every row sees: the first row sees least.
    const std::int64_t common = (seen(0) > begin ? seen(0) : begin) / 2;
    for (std::int64_t pair = begin / 2; pair < common;) {
      const Stored* v = pairs_at(pair);
      const auto* ahead = static_cast<const Stored*>(step.v[pair / 8 + kAhead]) + dim * 2;
      const std::int64_t stop = common < (pair / 8 + 1) * 8 ? common : (pair / 8 + 1) * 8;
      for (; pair < stop; ++pair, v += 2 * d, ahead += 2 * d) {
        if (kPrefetch)
          for (int j = 0; j < kVectors; ++j) __builtin_prefetch(ahead + j * 32);
#pragma GCC unroll 8
        for (int j = 0; j < kVectors; ++j) {
          const auto value = Product::load_operand(v + j * 32);
#pragma GCC unroll 8
          for (int r = 0; r < kRows; ++r)
            acc[r][j] = Product::add(acc[r][j], value, factors + r * kFactorStride + 2 * pair);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      const Factor* own = factors + r * kFactorStride;
      for (std::int64_t pair = common; pair < seen(r) / 2; ++pair)
        for (int j = 0; j < kVectors; ++j)
          acc[r][j] = Product::add(acc[r][j], Product::load_operand(pairs_at(pair) + j * 32), own + 2 * pair);
      // Positions that a row does not see may hold anything (nan too): they are left out, not multiplied by 0.
      if (seen(r) % 2 == 0 || seen(r) < begin) continue;
      for (int j = 0; j < kVectors; ++j)
        acc[r][j] =
            Product::add_first(acc[r][j], Product::load_operand(pairs_at(seen(r) / 2) + j * 32), own + seen(r) - 1);
    }
    if (!last) {
      for (int r = 0; r < kRows; ++r)
        for (int j = 0; j < kVectors; ++j) store(sums + r * d + 16 * j, acc[r][j]);
      return;
    }
    for (int r = 0; r < kRows; ++r) {
      float* state = step.states + (row + r) * step.state_stride;
      float* weighted = state + kStateHeader + dim;
      const Vf earlier = set1(state[2]), later = set1(state[3]);
      for (int j = 0; j < kVectors; ++j)
        store(weighted + 16 * j, step.fresh ? acc[r][j] : fma(load(weighted + 16 * j), earlier, acc[r][j] * later));
    }
  }
};

template <typename Product, bool kPrefetch>
void step_as(const AttentionStep& step) {
  std::int64_t begin = 0;
  while (begin < step.rows && step.visible[begin] == 0) ++begin;  // rows that see nothing keep their state to the bit
  if (begin == step.rows) return;
  const std::int64_t groups = (step.visible[step.rows - 1] + kKvGroup - 1) / kKvGroup;
  over_all(begin, step.rows, groups, ScoreTile<Product, kPrefetch>{step});
  for (std::int64_t row = begin; row < step.rows; ++row) {
    const Softmax softmax = softmax_row<Product>(step.scores + row * kStepTokens, step.visible[row]);
    float* state = step.states + row * step.state_stride;
    if (step.fresh)
      state[0] = softmax.maximum, state[1] = softmax.sum;
    else
      merge_sums(state, softmax.maximum, softmax.sum);
  }
  // Parts whose values stay in the first cache while all rows pass over them; a few rows read them once anyhow.
  const std::int64_t seen = step.visible[step.rows - 1];
  const std::int64_t part = step.rows - begin <= kWideRows ? kStepTokens : kPartTokens;
  for (std::int64_t from = 0; from < seen; from += part)
    over_all(begin, step.rows, step.head_dim / 16,
             ValueTile<Product, kPrefetch>{step, from, from + part, from + part >= seen});
}

// With many rows it is the arithmetic that takes the time, and asking for memory ahead only adds to it.
template <typename Product>
void run_step(const AttentionStep& step) {
  step.rows <= kTallRows ? step_as<Product, true>(step) : step_as<Product, false>(step);
}

void step(const AttentionStep& step) {
  if (step.products == Products::bf16) return run_step<Dots>(step);
  step.bf16_cache ? run_step<Plain<std::uint16_t>>(step) : run_step<Plain<float>>(step);
}

void load_query(const float* q, float scale, std::int64_t head_dim, Products products, void* out) {
  for (std::int64_t d = 0; d < head_dim; d += 16) {
    const Vf scaled = load(q + d) * set1(scale);
    if (products == Products::bf16)
      store_bf16_flushed(static_cast<std::uint16_t*>(out) + d, scaled);
    else
      store(static_cast<float*>(out) + d, scaled);
  }
}

void merge(float* state, const float* later, std::int64_t head_dim) {
  merge_sums(state, later[0], later[1]);
  const Vf earlier_scale = set1(state[2]), later_scale = set1(state[3]);
  for (std::int64_t i = kStateHeader; i < kStateHeader + head_dim; i += 16)
    store(state + i, fma(load(state + i), earlier_scale, load(later + i) * later_scale));
}

void finish(const float* state, float* out, std::int64_t head_dim) {
  const Vf sum = set1(state[1]);
  for (std::int64_t i = 0; i < head_dim; i += 16)
    store(out + i, state[1] == 0 ? zero() : load(state + kStateHeader + i) / sum);
}

}  // namespace

extern const AttentionTable kAttentionTable;
const AttentionTable kAttentionTable = {load_query, step, merge, finish};

}  // namespace cairn::CAIRN_ISA
