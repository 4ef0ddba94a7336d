// Many rows: a group of panels is unpacked to scratch a slice of K at a time, small enough for the first cache, and
// multiplied there with tiles of rows. The sums of a block of rows wait in scratch between slices.
#include "backends/cpu/vec.h"
#include "ops/matmul/block_formats.h"
#include "ops/matmul/epilogue.h"
#include "ops/matmul/f8_format.h"
#include "ops/matmul/matmul_kernels.h"

namespace cairn::CAIRN_ISA {
namespace {

#if defined(CAIRN_ISA_avx512) || defined(CAIRN_ISA_avx512_vnni) || defined(CAIRN_ISA_avx512_bf16)
constexpr int kGroup = 4;      // panels of a tile
constexpr int kDotRows = 4;    // rows of a tile of integer sums
constexpr int kFloatRows = 6;  // rows of a tile of f32 sums
#else
constexpr int kGroup = 2;
constexpr int kDotRows = 2;
constexpr int kFloatRows = 2;
#endif
constexpr std::int64_t kRowBlock = 256;

// Scratch: the slice's vectors [step][panel][64 bytes], its scales [block][panel][scale or minimum][16] f32, and the
// sums of a block of rows [row][panel][16] f32.
constexpr std::int64_t kSliceBytes = 24576;
constexpr std::int64_t kScaleBytes = kSliceBytes / 512 * 2 * 64;
constexpr std::int64_t kSumBytes = kRowBlock * kGroup * 64;

// Asks for memory ahead of its use, a little at every step of a tile, so that the requests do not queue up.
struct Ahead {
  const char* at = nullptr;
  const char* until = nullptr;
  std::int64_t per_step = 0;
  inline __attribute__((always_inline)) void step() {
    for (until += per_step; at < until; at += 64) __builtin_prefetch(at, 0, 2);
  }
};

struct Scratch {
  std::uint8_t* vectors;
  float* scales;
  float* sums;
  Ahead ahead;
};
CAIRN_INLINE Scratch scratch_of(const MatMulArgs& args) {
  return {args.scratch,
          reinterpret_cast<float*>(args.scratch + kSliceBytes),
          reinterpret_cast<float*>(args.scratch + kSliceBytes + kScaleBytes),
          {}};
}

template <typename Format>
constexpr int kFactors = Format::kScales + (Format::kMinimum ? 1 : 0);  // vectors of scales and minimums a block

// kRows x kPanels outputs over `blocks` blocks of 32 k. The f32 sums live in memory: registers are for the integer
// sums.
template <typename Format, int kRows, int kPanels>
void dot_tile(Scratch& scratch, const A8Row* rows, std::int64_t first_block, std::int64_t blocks, float* sums) {
  Ahead ahead = scratch.ahead;
  constexpr int kScales = Format::kScales, kQuads = 8 / kScales;
  const std::uint8_t* w = scratch.vectors;
  const float* factors = scratch.scales;
  for (std::int64_t b = first_block; b < first_block + blocks; ++b, factors += kPanels * kFactors<Format> * kLanes) {
    ahead.step();
    for (int s = 0; s < kScales; ++s) {
      Vi dot[kRows][kPanels];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Vi start = dot_start<Format>(rows[r], b, s);
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) dot[r][p] = start;
      }
#pragma GCC unroll 8
      for (int q = 0; q < kQuads; ++q, w += kPanels * 64) {
        Vb v[kPanels];
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) v[p] = bload(w + 64 * p);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const Vb a = broadcast4(rows[r].quants + 32 * b + 4 * (kQuads * s + q));
#pragma GCC unroll 8
          for (int p = 0; p < kPanels; ++p) dot[r][p] = dot_quad<Format>(dot[r][p], v[p], a);
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Vf a_scale = set1(rows[r].scales[b]);
#pragma GCC unroll 8
        for (int p = 0; p < kPanels; ++p) {
          float* at = sums + (r * kPanels + p) * kLanes;
          Vf sum = add_scaled(load(at), dot[r][p], load(factors + (p * kFactors<Format> + s) * kLanes), a_scale);
          if constexpr (Format::kMinimum)
            sum = fma(load(factors + (p * kFactors<Format> + 1) * kLanes), set1(rows[r].scaled_sums[b]), sum);
          store(at, sum);
        }
      }
      // Keeps the compiler from moving the f32 sums into registers, which would push the weights' vectors out of them.
      asm volatile("" ::: "memory");
    }
  }
  scratch.ahead = ahead;
}

// A block-quantized format for blocked_group: steps are blocks of 32 k.
template <typename Format>
struct Quantized {
  using Row = A8Row;
  static constexpr int kTileRows = kDotRows;
  static constexpr std::int64_t kStep = 32, kStepBytes = 512;  // bytes unpacked, a panel
  static constexpr std::int64_t kMostSteps = kSliceBytes;      // of a slice
  CAIRN_INLINE Row row(const MatMulArgs& args, std::int64_t r) { return a8_row(args.x + r * args.x_stride, args.k); }

  template <int kPanels>
  static void unpack(const MatMulArgs& args, const Scratch& scratch, std::int64_t panel, std::int64_t first,
                     std::int64_t count) {
    for (int p = 0; p < kPanels; ++p) {
      const std::uint8_t* scales = args.weight + (panel + p) * args.layout.panel_bytes;
      const std::uint8_t* quants = scales + args.layout.quant_offset + first * Format::kBlockBytes;
      for (std::int64_t b = 0; b < count; ++b) {
        Vb w[8];
        Format::quads(quants + b * Format::kBlockBytes, w);
        for (int q = 0; q < 8; ++q) bstore(scratch.vectors + ((b * 8 + q) * kPanels + p) * 64, w[q]);
        Vf scale[Format::kScales], minimum = zero();
        Format::scales(args.layout.scales, scales, first + b, scale, &minimum);
        float* factors = scratch.scales + (b * kPanels + p) * kFactors<Format> * kLanes;
        for (int s = 0; s < Format::kScales; ++s) store(factors + s * kLanes, scale[s]);
        if (Format::kMinimum) store(factors + kLanes, minimum);
      }
    }
  }
  template <int kRows, int kPanels>
  static void tile(Scratch& scratch, const Row* rows, std::int64_t first, std::int64_t count, std::int64_t,
                   float* sums) {
    dot_tile<Format, kRows, kPanels>(scratch, rows, first, count, sums);
  }
};

// How float tiles step through K: a vector of weights, an activation for all its lanes, and their product's sum.
struct F32Step {
  static constexpr std::int64_t kStep = 1;
  using Activation = float;
  using Vector = Vf;
  CAIRN_INLINE Vf weights(const std::uint8_t* p) { return load(reinterpret_cast<const float*>(p)); }
  CAIRN_INLINE Vf activation(const float* a) { return set1(*a); }
  CAIRN_INLINE Vf add(Vf sum, Vf w, Vf a) { return fma(w, a, sum); }
};
struct Bf16DotStep {
  static constexpr std::int64_t kStep = 2;
  using Activation = std::uint16_t;
  using Vector = Vb;
  CAIRN_INLINE Vb weights(const std::uint8_t* p) { return bload(p); }
  CAIRN_INLINE Vb activation(const std::uint16_t* a) { return broadcast4(a); }
  CAIRN_INLINE Vf add(Vf sum, Vb w, Vb a) { return dot_bf16(sum, w, a); }
};

// The f32 sums stay in registers over a slice; kScaled: those of the slice, which is one group, times the panels'
// scales are added to the others'. The last step of an odd K has half a pair of activations.
template <typename Step, int kRows, int kPanels, bool kScaled = false>
void float_tile(Scratch& scratch, const typename Step::Activation* const* rows, std::int64_t first, std::int64_t count,
                std::int64_t k, float* sums) {
  const std::uint8_t* w = scratch.vectors;
  Ahead ahead = scratch.ahead;
  Vf sum[kRows][kPanels];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) sum[r][p] = kScaled ? zero() : load(sums + (r * kPanels + p) * kLanes);
  auto step = [&](auto&& activation) __attribute__((always_inline)) {
    ahead.step();
    typename Step::Vector v[kPanels];
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) v[p] = Step::weights(w + 64 * p);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const typename Step::Vector a = activation(r);
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) sum[r][p] = Step::add(sum[r][p], v[p], a);
    }
    w += kPanels * 64;
  };
  const std::int64_t end = first + count < k / Step::kStep ? first + count : k / Step::kStep;
  for (std::int64_t i = first; i < end; ++i)
    step([&](int r) __attribute__((always_inline)) { return Step::activation(rows[r] + i * Step::kStep); });
  if (end < first + count)
    step([&](int r) __attribute__((always_inline)) {
      const typename Step::Activation half[2] = {rows[r][k - 1], 0};
      return Step::activation(half);
    });
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      float* at = sums + (r * kPanels + p) * kLanes;
      store(at, kScaled ? fma(sum[r][p], load(scratch.scales + p * kLanes), load(at)) : sum[r][p]);
    }
  scratch.ahead = ahead;
}

// Stored float vectors, unpacked one step at a time. first and count are steps of the tile; first is even.
struct StoredWhole {  // f32, and bf16 in pairs
  template <int kPanels>
  static void unpack(const std::uint8_t* quants, std::int64_t first, std::int64_t count, std::uint8_t* out) {
    for (std::int64_t i = 0; i < count; ++i) bstore(out + i * kPanels * 64, bload(quants + (first + i) * 64));
  }
};
struct StoredF16 {
  template <int kPanels>
  static void unpack(const std::uint8_t* quants, std::int64_t first, std::int64_t count, std::uint8_t* out) {
    for (std::int64_t i = 0; i < count; ++i)
      store(reinterpret_cast<float*>(out + i * kPanels * 64), f16_at(quants + (first + i) * 32));
  }
};
struct StoredBf16 {
  template <int kPanels>
  static void unpack(const std::uint8_t* quants, std::int64_t first, std::int64_t count, std::uint8_t* out) {
    for (std::int64_t i = 0; i < count; i += 2) {
      const Vb pair = bload(quants + (first + i) * 32);
      store(reinterpret_cast<float*>(out + i * kPanels * 64), bf16_low(pair));
      if (i + 1 < count) store(reinterpret_cast<float*>(out + (i + 1) * kPanels * 64), bf16_high(pair));
    }
  }
};

// A float format for blocked_group.
template <typename Step, typename Stored>
struct Float {
  using Row = const typename Step::Activation*;
  static constexpr int kTileRows = kFloatRows;
  static constexpr std::int64_t kStep = Step::kStep, kStepBytes = 64, kMostSteps = kSliceBytes;
  CAIRN_INLINE Row row(const MatMulArgs& args, std::int64_t r) {
    return reinterpret_cast<Row>(args.x + r * args.x_stride);
  }

  template <int kPanels>
  static void unpack(const MatMulArgs& args, const Scratch& scratch, std::int64_t panel, std::int64_t first,
                     std::int64_t count) {
    for (int p = 0; p < kPanels; ++p)
      Stored::template unpack<kPanels>(args.weight + (panel + p) * args.layout.panel_bytes, first, count,
                                       scratch.vectors + 64 * p);
  }
  template <int kRows, int kPanels>
  static void tile(Scratch& scratch, const Row* rows, std::int64_t first, std::int64_t count, std::int64_t k,
                   float* sums) {
    float_tile<Step, kRows, kPanels>(scratch, rows, first, count, k, sums);
  }
};

// 8-bit floats beside f32: weights are scaled as they are unpacked.
struct F8Float : Float<F32Step, StoredWhole> {
  template <int kPanels>
  static void unpack(const MatMulArgs& args, const Scratch& scratch, std::int64_t panel, std::int64_t first,
                     std::int64_t count) {
    const PanelScales& layout = args.layout.scales;
    for (int p = 0; p < kPanels; ++p) {
      const std::uint8_t* scales = args.weight + (panel + p) * args.layout.panel_bytes;
      const std::uint8_t* codes = scales + args.layout.quant_offset;
      for (std::int64_t i = 0; i < count; i += 4) {
        Vf w[4];
        e4m3_scaled(bload(codes + (first + i) * kPanelOutputs),
                    scale_at(layout, scales + ((first + i) / 32 >> layout.shift) * layout.stride), w);
        for (int j = 0; j < 4; ++j)
          store(reinterpret_cast<float*>(scratch.vectors + ((i + j) * kPanels + p) * 64), w[j]);
      }
    }
  }
};
// Beside bf16: a slice is a group, whose sums the tile scales.
struct F8Dot : Float<Bf16DotStep, StoredWhole> {
  static constexpr std::int64_t kMostSteps = kF8Group / 2;
  template <int kPanels>
  static void unpack(const MatMulArgs& args, const Scratch& scratch, std::int64_t panel, std::int64_t first,
                     std::int64_t count) {
    const PanelScales& layout = args.layout.scales;
    for (int p = 0; p < kPanels; ++p) {
      const std::uint8_t* scales = args.weight + (panel + p) * args.layout.panel_bytes;
      const std::uint8_t* codes = scales + args.layout.quant_offset;
      store(scratch.scales + p * kLanes, scale_at(layout, scales + (first / 16 >> layout.shift) * layout.stride));
      for (std::int64_t i = 0; i < count; i += 2) {
        Vb pairs[2];
        e4m3_pairs(bload(codes + (first + i) * 32), pairs);
        bstore(scratch.vectors + (i * kPanels + p) * 64, pairs[0]);
        bstore(scratch.vectors + ((i + 1) * kPanels + p) * 64, pairs[1]);
      }
    }
  }
  template <int kRows, int kPanels>
  static void tile(Scratch& scratch, const Row* rows, std::int64_t first, std::int64_t count, std::int64_t k,
                   float* sums) {
    float_tile<Bf16DotStep, kRows, kPanels, true>(scratch, rows, first, count, k, sums);
  }
};

// One tile of exactly `rows` (1 .. kRows) rows.
template <typename Family, int kRows, int kPanels>
CAIRN_INLINE void any_tile(std::int64_t rows_left, const MatMulArgs& args, Scratch& scratch, std::int64_t row,
                           std::int64_t first, std::int64_t count, float* sums) {
  if constexpr (kRows > 1) {
    if (rows_left < kRows)
      return any_tile<Family, kRows - 1, kPanels>(rows_left, args, scratch, row, first, count, sums);
  }
  typename Family::Row rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = Family::row(args, row + r);
  Family::template tile<kRows, kPanels>(scratch, rows, first, count, args.k, sums);
}

// Where a tile's outputs (and residuals) lie, asked for before the tile is computed: they are rows apart, so that the
// processor does not see them coming.
template <int kPanels>
CAIRN_INLINE void prefetch_outputs(const MatMulArgs& args, std::int64_t row, std::int64_t rows, std::int64_t panel) {
  for (std::int64_t r = row / args.planes; r < (row + rows) / args.planes; ++r) {
    const float* out = args.out + r * args.out_stride + panel * kPanelOutputs;
    for (int p = 0; p < kPanels; ++p) __builtin_prefetch(out + p * kPanelOutputs, 1);
    if (!args.residual) continue;
    const float* residual = args.residual + r * args.residual_stride + panel * kPanelOutputs;
    for (int p = 0; p < kPanels; ++p) __builtin_prefetch(residual + p * kPanelOutputs);
  }
}

template <int kPanels>
CAIRN_INLINE void finish_tile(const MatMulArgs& args, std::int64_t row, std::int64_t rows, std::int64_t panel,
                              const float* sums) {
  for (std::int64_t r = 0; r < rows; r += args.planes) {
    for (int p = 0; p < kPanels; ++p) {
      const float* at = sums + (r * kPanels + p) * kLanes;
      const Vf sum = args.planes == 1 ? load(at) : load(at) + load(at + kPanels * kLanes);
      finish_outputs(args, (row + r) / args.planes, panel + p, sum);
    }
  }
}

// Rows [row_begin, row_end), at most kRowBlock, x kPanels panels from `panel` on.
template <typename Family, int kPanels>
void blocked_group(const MatMulArgs& args, std::int64_t row_begin, std::int64_t row_end, std::int64_t panel) {
  constexpr std::int64_t kFitting = kSliceBytes / (Family::kStepBytes * kPanels), kTile = Family::kTileRows;
  constexpr std::int64_t kSlice = kFitting < Family::kMostSteps ? kFitting : Family::kMostSteps;
  Scratch scratch = scratch_of(args);
  const std::int64_t rows = row_end - row_begin, steps = (args.k + Family::kStep - 1) / Family::kStep;
  for (std::int64_t i = 0; i < rows * kPanels; ++i) store(scratch.sums + i * kLanes, zero());
  // The next group's panels follow this one's.
  scratch.ahead.at = scratch.ahead.until =
      reinterpret_cast<const char*>(args.weight + (panel + kPanels) * args.layout.panel_bytes);
  scratch.ahead.per_step = kPanels * args.layout.panel_bytes / (steps * ((rows + kTile - 1) / kTile)) + 1;
  for (std::int64_t first = 0; first < steps; first += kSlice) {
    const bool last = steps - first <= kSlice;
    const std::int64_t count = last ? steps - first : kSlice;
    Family::template unpack<kPanels>(args, scratch, panel, first, count);
    for (std::int64_t r = 0; r < rows; r += kTile) {
      const std::int64_t in_tile = rows - r < kTile ? rows - r : kTile;
      float* sums = scratch.sums + r * kPanels * kLanes;
      if (last) prefetch_outputs<kPanels>(args, row_begin + r, in_tile, panel);
      any_tile<Family, kTile, kPanels>(in_tile, args, scratch, row_begin + r, first, count, sums);
      if (last) finish_tile<kPanels>(args, row_begin + r, in_tile, panel, sums);
    }
  }
}

template <typename Family>
void blocked(const MatMulArgs& args, const MatMulPart& part) {
  for (std::int64_t row = part.row_begin; row < part.row_end; row += kRowBlock) {
    const std::int64_t end = row + kRowBlock < part.row_end ? row + kRowBlock : part.row_end;
    std::int64_t panel = part.panel_begin;
    for (; panel + kGroup <= part.panel_end; panel += kGroup) blocked_group<Family, kGroup>(args, row, end, panel);
    if constexpr (kGroup > 2)
      for (; panel + 2 <= part.panel_end; panel += 2) blocked_group<Family, 2>(args, row, end, panel);
    for (; panel < part.panel_end; ++panel) blocked_group<Family, 1>(args, row, end, panel);
  }
}

}  // namespace

extern const BlockedTable kBlockedTable;
const BlockedTable kBlockedTable = {
    kSliceBytes + kScaleBytes + kSumBytes,
    kGroup,
    {blocked<Float<F32Step, StoredWhole>>, blocked<Float<F32Step, StoredF16>>, blocked<Float<F32Step, StoredBf16>>,
     blocked<Float<Bf16DotStep, StoredWhole>>, blocked<F8Float>, blocked<F8Dot>, blocked<Quantized<Int8>>,
     blocked<Quantized<Int4>>, blocked<Quantized<UInt4>>, blocked<Quantized<Q4_1>>, blocked<Quantized<Q4_K>>,
     blocked<Quantized<Q5_K>>, blocked<Quantized<Q6_K>>},
};

}  // namespace cairn::CAIRN_ISA
