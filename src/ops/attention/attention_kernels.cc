#include "ops/attention/attention_kernels.h"

#include "backends/cpu/vec.h"
#include "ops/attention/kv_elements.h"
#include "ops/attention/softmax.h"

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

// Calls tile.run<kRows, kVectors>(row, v) over the rows [begin, end) and the vectors [v, last). The vectors are the
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
CAIRN_INLINE void over_all(std::int64_t begin, std::int64_t end, std::int64_t v, std::int64_t last, const Tile& tile) {
  if (end - begin <= kWideRows) over_tiles<kWideVectors>(begin, end, v, last, tile);
  if (end - begin < kTallRows) over_tiles<kTileVectors>(begin, end, v, last, tile);
  over_tiles<kTallVectors>(begin, end, v, last, tile);
  over_tiles<1>(begin, end, v, last, tile);
}

CAIRN_INLINE std::int64_t clamp(std::int64_t x, std::int64_t low, std::int64_t high) {
  return x < low ? low : x > high ? high : x;
}

// How operands of the cache (kv_layout.h) are multiplied with factors (a row of q, or probabilities): a sum grows by
// the products of both elements of its lane, the first one first.

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
  CAIRN_INLINE Pair load_operand(const float* p) { return {load(p), load(p + 16)}; }
  CAIRN_INLINE Vf add(Vf sum, const Pair& pair, const float* factors) {
    return fma(pair.second, set1(factors[1]), fma(pair.first, set1(factors[0]), sum));
  }
  CAIRN_INLINE Vf add_first(Vf sum, const Pair& pair, const float* factor) {
    return fma(pair.first, set1(*factor), sum);
  }
  CAIRN_INLINE Vf add_second(Vf sum, const Pair& pair, const float* factor) {
    return fma(pair.second, set1(*factor), sum);
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
    return fma(bf16_low(pair), widened(*factor), sum);
  }
  CAIRN_INLINE Vf add_second(Vf sum, Vb pair, const std::uint16_t* factor) {
    return fma(bf16_high(pair), widened(*factor), sum);
  }
  CAIRN_INLINE Vf widened(std::uint16_t factor) {
    const std::uint32_t bits = static_cast<std::uint32_t>(factor) << 16;
    float value;
    __builtin_memcpy(&value, &bits, 4);
    return set1(value);
  }
  CAIRN_INLINE void store_factors(std::uint16_t* to, Vf factors) { store_bf16_flushed(to, factors); }
};

// What is asked for before it is read; see kAhead.
enum class Ahead { nothing, first_lines, every_line };

CAIRN_INLINE void touch(const void* later) {
  __builtin_prefetch(later);
  __builtin_prefetch(static_cast<const char*>(later) + 64);
}

// scores[row][16 g + lane] = q[row] . k[g][lane].
template <typename Product, Ahead kAsked>
struct ScoreTile {
  const AttentionStep& step;

  template <int kRows, int kVectors>
  inline __attribute__((always_inline)) void run(std::int64_t row, std::int64_t first) const {
    using Stored = typename Product::Stored;
    // The last row sees farthest ahead, the first one farthest back.
    if (first * kKvGroup >= step.seen[row + kRows - 1].end || (first + kVectors) * kKvGroup <= step.seen[row].begin)
      return;
    const std::int64_t head_dim = step.head_dim;
    const auto* q = static_cast<const typename Product::Factor*>(step.q) + row * head_dim;
    const void* const* k = step.k + first;
    if (kAsked == Ahead::first_lines)
      for (int g = 0; g < kVectors; ++g) touch(k[g + kAhead]);
    Vf acc[kRows][kVectors];
    for (int r = 0; r < kRows; ++r)
      for (int g = 0; g < kVectors; ++g) acc[r][g] = zero();
    for (std::int64_t d = 0; d < head_dim; d += 2) {
      if (kAsked == Ahead::every_line)
        for (int g = 0; g < kVectors; ++g)
          __builtin_prefetch(static_cast<const Stored*>(k[kLinesAhead + g]) + d * kKvGroup);
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

template <typename Product>
CAIRN_INLINE const typename Product::Stored* values_at(const AttentionStep& step, std::int64_t pair, std::int64_t dim) {
  return static_cast<const typename Product::Stored*>(step.v[pair / 8]) + (pair % 8 * step.head_dim + dim) * 2;
}
template <typename Product>
CAIRN_INLINE const typename Product::Factor* factors_of(const AttentionStep& step, std::int64_t row) {
  return reinterpret_cast<const typename Product::Factor*>(step.scores + row * kStepTokens);
}

// Adds the values of what a row sees of the positions [from, to), times its factors, to its sums over kVectors times 16
// dims.
template <typename Product, int kVectors>
__attribute__((noinline)) void add_alone(const AttentionStep& step, std::int64_t row, std::int64_t dim,
                                         std::int64_t from, std::int64_t to) {
  const auto* factors = factors_of<Product>(step, row);
  from = clamp(step.seen[row].begin, from, to), to = clamp(step.seen[row].end, from, to);
  if (from == to) return;
  float* sums = step.sums + row * step.head_dim + dim;
  auto value = [&](std::int64_t at, int j) {
    return Product::load_operand(values_at<Product>(step, at / 2, dim) + j * 32);
  };
  Vf acc[kVectors];
  for (int j = 0; j < kVectors; ++j) acc[j] = load(sums + 16 * j);
  std::int64_t at = from;
  if (at % 2 == 1) {
    for (int j = 0; j < kVectors; ++j) acc[j] = Product::add_second(acc[j], value(at, j), factors + at);
    ++at;
  }
  for (; at + 2 <= to; at += 2)
    for (int j = 0; j < kVectors; ++j) acc[j] = Product::add(acc[j], value(at, j), factors + at);
  if (at < to)
    for (int j = 0; j < kVectors; ++j) acc[j] = Product::add_first(acc[j], value(at, j), factors + at);
  for (int j = 0; j < kVectors; ++j) store(sums + 16 * j, acc[j]);
}

// Weighted sums of rows over 16 dims a vector and the positions [begin, end) of a step; begin and end are even. They
// wait in step.sums between the parts of a step, and the last part merges them into (or writes them to) the rows'
// states. A row adds its positions in their order whatever the rows beside it see; those that it does not see may hold
// anything (nan too): they are left out, not multiplied by 0.
template <typename Product, Ahead kAsked>
struct ValueTile {
  const AttentionStep& step;
  std::int64_t begin, end;
  bool initial, last;

  template <int kRows, int kVectors>
  inline __attribute__((always_inline)) void run(std::int64_t row, std::int64_t first) const {
    const std::int64_t d = step.head_dim, dim = first * 16;
    const SeenRange *top = step.seen + row, *bottom = top + kRows - 1;
    float* sums = step.sums + row * d + dim;
    // What all rows see, as whole pairs: up to where the first row sees, from where the last one does.
    SeenRange common = {(clamp(bottom->begin, begin, end) + 1) / 2 * 2, clamp(top->end, begin, end) / 2 * 2};
    if (common.end < common.begin) common.end = common.begin;
    const bool before = clamp(top->begin, begin, end)<common.begin, after = clamp(bottom->end, begin, end)> common.end;
    for (int r = 0; before && r < kRows; ++r) {
      for (int j = 0; initial && j < kVectors; ++j) store(sums + r * d + 16 * j, zero());
      add_alone<Product, kVectors>(step, row + r, dim, begin, common.begin);
    }
    Vf acc[kRows][kVectors];
    for (int r = 0; r < kRows; ++r)
      for (int j = 0; j < kVectors; ++j) acc[r][j] = initial && !before ? zero() : load(sums + r * d + 16 * j);
    add_common<kRows, kVectors>(acc, row, dim, common);
    if (last && !after) return merge<kRows, kVectors>(acc, row, dim);
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kVectors; ++j) store(sums + r * d + 16 * j, acc[r][j]);
      if (after) add_alone<Product, kVectors>(step, row + r, dim, common.end, end);
    }
    if (!last) return;
    for (int r = 0; r < kRows; ++r)
      for (int j = 0; j < kVectors; ++j) acc[r][j] = load(sums + r * d + 16 * j);
    merge<kRows, kVectors>(acc, row, dim);
  }

  template <int kRows, int kVectors>
  inline __attribute__((always_inline)) void add_common(Vf (&acc)[kRows][kVectors], std::int64_t row, std::int64_t dim,
                                                        SeenRange common) const {
    using Stored = typename Product::Stored;
    using Factor = typename Product::Factor;
    const Factor* factors = factors_of<Product>(step, row);
    constexpr std::int64_t kFactorStride = kStepTokens * sizeof(float) / sizeof(Factor);
    for (std::int64_t pair = common.begin / 2; pair < common.end / 2;) {
      const Stored* v = values_at<Product>(step, pair, dim);
      const auto* ahead =
          static_cast<const Stored*>(step.v[pair / 8 + kLinesAhead]) + (pair % 8 * step.head_dim + dim) * 2;
      if (kAsked == Ahead::first_lines) touch(static_cast<const Stored*>(step.v[pair / 8 + kAhead]) + dim * 2);
      const std::int64_t whole = (pair / 8 + 1) * 8, stop = common.end / 2 < whole ? common.end / 2 : whole;
      for (; pair < stop; ++pair, v += 2 * step.head_dim, ahead += 2 * step.head_dim) {
        if (kAsked == Ahead::every_line)
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
  }

  template <int kRows, int kVectors>
  inline __attribute__((always_inline)) void merge(Vf (&acc)[kRows][kVectors], std::int64_t row,
                                                   std::int64_t dim) const {
    for (int r = 0; r < kRows; ++r) {
      float* state = step.states + (row + r) * step.state_stride;
      float* weighted = state + kStateHeader + dim;
      const Vf earlier = set1(state[2]), later = set1(state[3]);
      for (int j = 0; j < kVectors; ++j)
        store(weighted + 16 * j, step.fresh ? acc[r][j] : fma(load(weighted + 16 * j), earlier, acc[r][j] * later));
    }
  }
};

// Rows that see something; the others keep their state to the bit: those before all of the step, and those whose window
// is past it.
CAIRN_INLINE SeenRange seeing_rows(const AttentionStep& step) {
  auto sees_nothing = [&](std::int64_t row) { return step.seen[row].begin >= step.seen[row].end; };
  SeenRange rows = {0, step.rows};
  while (rows.begin < rows.end && sees_nothing(rows.begin)) ++rows.begin;
  while (rows.begin < rows.end && sees_nothing(rows.end - 1)) --rows.end;
  return rows;
}

template <typename Product, bool kScaled>
CAIRN_INLINE void softmax_rows(const AttentionStep& step, SeenRange rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const Softmax softmax = softmax_row<Product, kScaled>(step, row);
    float* state = step.states + row * step.state_stride;
    if (step.fresh)
      state[0] = softmax.maximum, state[1] = softmax.sum;
    else
      merge_sums(state, softmax.maximum, softmax.sum);
  }
}

// A step over a cache that is read as it lies.
template <typename Product, Ahead kAsked>
void step_as(const AttentionStep& step) {
  const SeenRange rows = seeing_rows(step);
  if (rows.begin == rows.end) return;
  const std::int64_t first = step.seen[rows.begin].begin, seen = step.seen[rows.end - 1].end;
  over_all(rows.begin, rows.end, first / kKvGroup, (seen + kKvGroup - 1) / kKvGroup, ScoreTile<Product, kAsked>{step});
  softmax_rows<Product, false>(step, rows);
  // Parts whose values stay in the first cache while all rows pass over them; a few rows read them once anyhow.
  const std::int64_t part = rows.end - rows.begin <= kWideRows ? kStepTokens : kPartTokens,
                     initial = first / part * part;
  for (std::int64_t from = initial; from < seen; from += part)
    over_all(rows.begin, rows.end, 0, step.head_dim / 16,
             ValueTile<Product, kAsked>{step, from, from + part, from == initial, from + part >= seen});
}

template <typename Product>
void run_step(const AttentionStep& step) {
  const std::int64_t group_bytes =
      kKvGroup * step.head_dim * static_cast<std::int64_t>(sizeof(typename Product::Stored));
  if (!step.few_rows)
    step_as<Product, Ahead::nothing>(step);
  else if (group_bytes >= kLongGroupBytes)
    step_as<Product, Ahead::first_lines>(step);
  else
    step_as<Product, Ahead::every_line>(step);
}

// Decodes the groups [first, last) of a part and makes `decoded` point to them.
template <typename Format, typename Product>
CAIRN_INLINE void decode_groups(const AttentionStep& step, const void* const* groups, std::int64_t first,
                                std::int64_t last, const void** decoded) {
  using Stored = typename Format::Stored;
  auto* to = reinterpret_cast<typename Product::Stored*>(step.decoded);
  for (std::int64_t g = first; g < last; ++g, to += kKvGroup * step.head_dim) {
    const auto* from = static_cast<const Stored*>(groups[g]);
    const auto* ahead = static_cast<const Stored*>(groups[g + kLinesAhead]);
    constexpr std::int64_t kLine = 64 / sizeof(Stored);
    const bool lines = kKvGroup * step.head_dim * static_cast<std::int64_t>(sizeof(Stored)) < kLongGroupBytes;
    if (!lines) touch(groups[g + kAhead]);
    for (std::int64_t i = 0; i < kKvGroup * step.head_dim; i += kLine) {
      if (lines) __builtin_prefetch(ahead + i);
      for (std::int64_t j = i; j < i + kLine; j += 32) Format::decode(from + j, to + j);
    }
    decoded[g] = to;
  }
}

// A step over a cache whose keys and values are decoded first, a part at a time, to what Product multiplies.
template <typename Format, typename Product>
void decoding_step(const AttentionStep& step) {
  const SeenRange rows = seeing_rows(step);
  if (rows.begin == rows.end) return;
  AttentionStep decoded = step;
  const std::int64_t first = step.seen[rows.begin].begin, seen = step.seen[rows.end - 1].end;
  auto over_parts = [&](auto visit) __attribute__((always_inline)) {
    for (std::int64_t from = first / kPartTokens * kPartTokens; from < seen; from += kPartTokens) {
      const std::int64_t to = from + kPartTokens < seen ? from + kPartTokens : seen;
      visit(from, (from > first ? from : first) / kKvGroup, (to + kKvGroup - 1) / kKvGroup);
    }
  };
  over_parts([&](std::int64_t, std::int64_t group, std::int64_t end) __attribute__((always_inline)) {
    decode_groups<Format, Product>(step, step.k, group, end, decoded.k);
    over_all(rows.begin, rows.end, group, end, ScoreTile<Product, Ahead::nothing>{decoded});
  });
  softmax_rows<Product, Format::kScaled>(step, rows);
  over_parts([&](std::int64_t from, std::int64_t group, std::int64_t end) __attribute__((always_inline)) {
    decode_groups<Format, Product>(step, step.v, group, end, decoded.v);
    over_all(rows.begin, rows.end, 0, step.head_dim / 16,
             ValueTile<Product, Ahead::nothing>{decoded, from, from + kPartTokens, from <= first,
                                                from + kPartTokens >= seen});
  });
}

// Steps with bf16 products where the processor has them; elsewhere one costs more than two of f32.
using Step = void (*)(const AttentionStep&);
template <Step kStep>
constexpr Step rounded() {
#if defined(CAIRN_ISA_avx512_bf16)
  return kStep;
#else
  return nullptr;
#endif
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
const AttentionTable kAttentionTable = {
    load_query,
    {{run_step<Plain<float>>, nullptr},
     {decoding_step<F16, Plain<float>>, nullptr},
     {run_step<Plain<std::uint16_t>>, rounded<run_step<Dots>>()},
     {decoding_step<I8, Plain<std::uint16_t>>, rounded<decoding_step<I8, Dots>>()},
     {decoding_step<F8E4m3, Plain<std::uint16_t>>, rounded<decoding_step<F8E4m3, Dots>>()}},
    merge,
    finish};

}  // namespace cairn::CAIRN_ISA
