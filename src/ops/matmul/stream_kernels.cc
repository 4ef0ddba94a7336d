// Few rows: every panel is read once, straight from memory, and multiplied with all rows while its vectors are in
// registers.
#include "backends/cpu/vec.h"
#include "ops/matmul/block_formats.h"
#include "ops/matmul/epilogue.h"
#include "ops/matmul/f8_format.h"
#include "ops/matmul/matmul_kernels.h"

namespace cairn::CAIRN_ISA {
namespace {

constexpr int kMaxRows = 8;
// How far ahead of its use memory is asked for; panels follow each other, so this crosses into the next one.
constexpr std::int64_t kPrefetchBytes = 6144;
constexpr std::int64_t kFloatPrefetchBytes = 4096;  // in each of two panels

// Asks for one block's share of a panel, scales and quants. Counted from the quants, so that they too are
// kPrefetchBytes ahead, however long the part with the scales is.
template <typename Format>
CAIRN_INLINE void prefetch_block(const std::uint8_t* quants, std::int64_t block) {
  constexpr std::int64_t kBytes = Format::kBlockBytes + Format::kScaleBytes;
#pragma GCC unroll 9
  for (std::int64_t i = 0; i < kBytes; i += 64) __builtin_prefetch(quants + block * kBytes + i + kPrefetchBytes);
}

template <typename Format, int kRows>
CAIRN_INLINE void stream_block(const A8Row (&rows)[kRows], const PanelScales& layout, const std::uint8_t* scales,
                               const std::uint8_t* quants, std::int64_t block, Vf (&sum)[kRows]) {
  constexpr int kScales = Format::kScales;
  Vb w[8];
  Format::quads(quants, w);
  Vf scale[kScales], minimum = zero();
  Format::scales(layout, scales, block, scale, &minimum);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const Vf a_scale = set1(rows[r].scales[block]);
#pragma GCC unroll 2
    for (int s = 0; s < kScales; ++s) {
      Vi dot = dot_start<Format>(rows[r], block, s);
#pragma GCC unroll 8
      for (int q = 8 / kScales * s; q < 8 / kScales * (s + 1); ++q)
        dot = dot_quad<Format>(dot, w[q], broadcast4(rows[r].quants + 32 * block + 4 * q));
      sum[r] = add_scaled(sum[r], dot, scale[s], a_scale);
    }
    if constexpr (Format::kMinimum) sum[r] = fma(minimum, set1(rows[r].scaled_sums[block]), sum[r]);
  }
}

template <typename Format, int kRows>
void stream_quantized_rows(const MatMulArgs& args, std::int64_t row, std::int64_t panel_begin, std::int64_t panel_end) {
  A8Row rows[kRows];
  for (int r = 0; r < kRows; ++r) rows[r] = a8_row(args.x + (row + r) * args.x_stride, args.k);
  const PanelScales layout = args.layout.scales;
  for (std::int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const std::uint8_t* scales = args.weight + panel * args.layout.panel_bytes;
    const std::uint8_t* quants = scales + args.layout.quant_offset;
    Vf sum[kRows];
    for (int r = 0; r < kRows; ++r) sum[r] = zero();
    for (std::int64_t block = 0; block < args.k / 32; ++block) {
      prefetch_block<Format>(quants, block);
      stream_block<Format, kRows>(rows, layout, scales, quants + block * Format::kBlockBytes, block, sum);
    }
    finish_rows<kRows>(
        args, row, panel, [&](int r) __attribute__((always_inline)) { return sum[r]; });
  }
}

// The float formats: one vector of a panel and what it adds to a row's sum. kStep k a vector; `whole` is false only for
// the padded half pair at the end of an odd K.

struct F32Vector {
  static constexpr std::int64_t kStep = 1, kBytes = 64;
  using Activation = float;
  CAIRN_INLINE Vf add(Vf sum, const std::uint8_t* w, const float* a, bool) {
    return fma(load(reinterpret_cast<const float*>(w)), set1(*a), sum);
  }
};
struct F16Vector {
  static constexpr std::int64_t kStep = 1, kBytes = 32;
  using Activation = float;
  CAIRN_INLINE Vf add(Vf sum, const std::uint8_t* w, const float* a, bool) { return fma(f16_at(w), set1(*a), sum); }
};
struct Bf16Vector {
  static constexpr std::int64_t kStep = 2, kBytes = 64;
  using Activation = float;
  CAIRN_INLINE Vf add(Vf sum, const std::uint8_t* w, const float* a, bool whole) {
    const Vb pair = bload(w);
    sum = fma(bf16_low(pair), set1(a[0]), sum);
    return whole ? fma(bf16_high(pair), set1(a[1]), sum) : sum;
  }
};
struct Bf16DotVector {
  static constexpr std::int64_t kStep = 2, kBytes = 64;
  using Activation = std::uint16_t;
  CAIRN_INLINE Vf add(Vf sum, const std::uint8_t* w, const std::uint16_t* a, bool whole) {
    const std::uint16_t half[2] = {a[0], 0};
    return dot_bf16(sum, bload(w), broadcast4(whole ? a : half));
  }
};

// kPanels at once, so that their chains of sums overlap.
template <typename Vector, int kRows, int kPanels>
void stream_float_panels(const MatMulArgs& args, std::int64_t row, std::int64_t panel) {
  const typename Vector::Activation* a[kRows];
  for (int r = 0; r < kRows; ++r)
    a[r] = reinterpret_cast<const typename Vector::Activation*>(args.x + (row + r) * args.x_stride);
  const std::uint8_t* w = args.weight + panel * args.layout.panel_bytes;
  Vf sum[kRows][kPanels];
  for (auto& of_row : sum)
    for (Vf& v : of_row) v = zero();
  const std::int64_t whole = args.k / Vector::kStep;
  for (std::int64_t i = 0; i < whole; ++i) {
    // Beyond the end of these panels come the next ones, not the neighbour, which is read at the same time.
    std::int64_t ahead = i * Vector::kBytes + kFloatPrefetchBytes;
    if (ahead >= args.layout.panel_bytes) ahead += (kPanels - 1) * args.layout.panel_bytes;
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
      const std::uint8_t* at = w + p * args.layout.panel_bytes;
      __builtin_prefetch(at + ahead);
      at += i * Vector::kBytes;
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) sum[r][p] = Vector::add(sum[r][p], at, a[r] + i * Vector::kStep, true);
    }
  }
  for (int p = 0; p < kPanels; ++p) {
    for (int r = 0; r < kRows; ++r) {
      if (whole * Vector::kStep < args.k)
        sum[r][p] = Vector::add(sum[r][p], w + p * args.layout.panel_bytes + whole * Vector::kBytes,
                                a[r] + whole * Vector::kStep, false);
      finish_outputs(args, row + r, panel + p, sum[r][p]);
    }
  }
}

// 8-bit floats beside bf16: a group's products are summed, then scaled.
struct F8Dot {
  using Activation = std::uint16_t;
  template <int kRows, int kPanels>
  CAIRN_INLINE void group(const std::uint8_t* const (&codes)[kPanels], const Activation* const (&a)[kRows],
                          std::int64_t vectors, std::int64_t ahead, const Vf (&scale)[kPanels],
                          Vf (&sum)[kRows][kPanels]) {
    Vf part[kRows][kPanels];
    for (auto& of_row : part)
      for (Vf& v : of_row) v = zero();
    for (std::int64_t i = 0; i < vectors; ++i) {
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) {
        __builtin_prefetch(codes[p] + 64 * i + ahead);
        Vb pairs[2];
        e4m3_pairs(bload(codes[p] + 64 * i), pairs);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
          part[r][p] = dot_bf16(dot_bf16(part[r][p], pairs[0], broadcast4(a[r] + 4 * i)), pairs[1],
                                broadcast4(a[r] + 4 * i + 2));
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) sum[r][p] = fma(part[r][p], scale[p], sum[r][p]);
  }
};
// Beside f32: weights are scaled, then multiplied.
struct F8Float {
  using Activation = float;
  template <int kRows, int kPanels>
  CAIRN_INLINE void group(const std::uint8_t* const (&codes)[kPanels], const Activation* const (&a)[kRows],
                          std::int64_t vectors, std::int64_t ahead, const Vf (&scale)[kPanels],
                          Vf (&sum)[kRows][kPanels]) {
    for (std::int64_t i = 0; i < vectors; ++i) {
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) {
        __builtin_prefetch(codes[p] + 64 * i + ahead);
        Vf w[4];
        e4m3_scaled(bload(codes[p] + 64 * i), scale[p], w);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) sum[r][p] = fma(w[j], set1(a[r][4 * i + j]), sum[r][p]);
      }
    }
  }
};

template <typename Product, int kRows, int kPanels>
void stream_f8_panels(const MatMulArgs& args, std::int64_t row, std::int64_t panel) {
  const std::uint8_t* scales[kPanels];
  for (int p = 0; p < kPanels; ++p) scales[p] = args.weight + (panel + p) * args.layout.panel_bytes;
  const PanelScales layout = args.layout.scales;
  Vf sum[kRows][kPanels];
  for (auto& of_row : sum)
    for (Vf& v : of_row) v = zero();
  for (std::int64_t k = 0; k < args.k; k += kF8Group) {
    const typename Product::Activation* a[kRows];
    for (int r = 0; r < kRows; ++r)
      a[r] = reinterpret_cast<const typename Product::Activation*>(args.x + (row + r) * args.x_stride) + k;
    const std::uint8_t* codes[kPanels];
    Vf scale[kPanels];
    for (int p = 0; p < kPanels; ++p) {
      codes[p] = scales[p] + args.layout.quant_offset + k * kPanelOutputs;
      scale[p] = scale_at(layout, scales[p] + (k / 32 >> layout.shift) * layout.stride);
    }
    // As for the other floats: beyond these panels' end come the next ones.
    const bool leaves = args.layout.quant_offset + k * kPanelOutputs + kFloatPrefetchBytes >= args.layout.panel_bytes;
    const std::int64_t ahead = kFloatPrefetchBytes + (leaves ? (kPanels - 1) * args.layout.panel_bytes : 0);
    const std::int64_t rest = args.k - k;
    Product::template group<kRows, kPanels>(codes, a, (rest < kF8Group ? rest : kF8Group) / 4, ahead, scale, sum);
  }
  for (int p = 0; p < kPanels; ++p)
    for (int r = 0; r < kRows; ++r) finish_outputs(args, row + r, panel + p, sum[r][p]);
}

// Several panels at once as long as there are so many.
template <typename Family, int kRows>
void stream_panels(const MatMulArgs& args, std::int64_t row, std::int64_t panel_begin, std::int64_t panel_end) {
  std::int64_t panel = panel_begin;
  if constexpr (kRows < Family::kRowsByTwo)
    for (; panel + 4 <= panel_end; panel += 4) Family::template panels<kRows, 4>(args, row, panel);
  for (; panel + 2 <= panel_end; panel += 2) Family::template panels<kRows, 2>(args, row, panel);
  for (; panel < panel_end; ++panel) Family::template panels<kRows, 1>(args, row, panel);
}

template <typename Format>
struct Quantized {
  template <int kRows>
  static void rows(const MatMulArgs& args, std::int64_t row, std::int64_t panel_begin, std::int64_t panel_end) {
    stream_quantized_rows<Format, kRows>(args, row, panel_begin, panel_end);
  }
};
template <typename Vector>
struct Float {
  static constexpr int kRowsByTwo = 1;
  template <int kRows, int kPanels>
  static void panels(const MatMulArgs& args, std::int64_t row, std::int64_t panel) {
    stream_float_panels<Vector, kRows, kPanels>(args, row, panel);
  }
  template <int kRows>
  static void rows(const MatMulArgs& args, std::int64_t row, std::int64_t panel_begin, std::int64_t panel_end) {
    stream_panels<Float, kRows>(args, row, panel_begin, panel_end);
  }
};
template <typename Product>
struct F8 {
  static constexpr int kRowsByTwo = 2;  // from so many on, two panels at once are chains of sums enough
  template <int kRows, int kPanels>
  static void panels(const MatMulArgs& args, std::int64_t row, std::int64_t panel) {
    stream_f8_panels<Product, kRows, kPanels>(args, row, panel);
  }
  template <int kRows>
  static void rows(const MatMulArgs& args, std::int64_t row, std::int64_t panel_begin, std::int64_t panel_end) {
    stream_panels<F8, kRows>(args, row, panel_begin, panel_end);
  }
};

// Exactly `rows` (1 .. kRows) rows.
template <typename Family, int kRows>
CAIRN_INLINE void stream_rows(const MatMulArgs& args, const MatMulPart& part, std::int64_t row, std::int64_t rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return stream_rows<Family, kRows - 1>(args, part, row, rows);
  }
  Family::template rows<kRows>(args, row, part.panel_begin, part.panel_end);
}

template <typename Family>
void stream(const MatMulArgs& args, const MatMulPart& part) {
  for (std::int64_t row = part.row_begin; row < part.row_end; row += kMaxRows)
    stream_rows<Family, kMaxRows>(args, part, row, part.row_end - row < kMaxRows ? part.row_end - row : kMaxRows);
}

}  // namespace

extern const StreamTable kStreamTable;
const StreamTable kStreamTable = {
    kMaxRows,
    {stream<Float<F32Vector>>, stream<Float<F16Vector>>, stream<Float<Bf16Vector>>, stream<Float<Bf16DotVector>>,
     stream<F8<F8Float>>, stream<F8<F8Dot>>, stream<Quantized<Int8>>, stream<Quantized<Int4>>, stream<Quantized<UInt4>>,
     stream<Quantized<Q4_1>>, stream<Quantized<Q4_K>>, stream<Quantized<Q5_K>>, stream<Quantized<Q6_K>>},
};

}  // namespace cairn::CAIRN_ISA
