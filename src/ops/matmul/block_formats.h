// The block-quantized panel formats as the kernels see them: a block of 32 k as 8 vectors of unsigned quads, its scales
// and minimums as vectors of 16 outputs. And the arithmetic of a block, which fixes the bits of every result:
//
//   output += float(sum over k of (q - offset) * a) * (scale * a_scale)      [a scale a 32 k, in q6_k a 16 k]
//   output += minimum * a_scaled_sum                                         [formats with a minimum]
//
// in f32, blocks in order of k. The integer sums are exact, so it does not matter how a kernel tiles rows and panels.
// Only for sources compiled by cairn_isa_sources.
#pragma once

#include "backends/cpu/vec.h"
#include "ops/matmul/panel_format.h"

namespace cairn::CAIRN_ISA {
namespace {

CAIRN_INLINE Vf f16_at(const std::uint8_t* p) { return load_f16(reinterpret_cast<const std::uint16_t*>(p)); }

CAIRN_INLINE void split_nibbles(const std::uint8_t* quants, Vb (&w)[8]) {
  const Vb mask = bset1(0x0F);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vb both = bload(quants + 64 * i);
    w[i] = both & mask;
    w[i + 4] = shr16<4>(both) & mask;
  }
}

/// The scales of 16 outputs for a block of 32 k, of a format whose groups and scales' type are known at run time.
CAIRN_INLINE Vf scale_at(const PanelScales& layout, const std::uint8_t* at) {
  switch (layout.type) {
    case PanelScales::Type::f16:
      return f16_at(at);
    case PanelScales::Type::bf16:
      return load_bf16(reinterpret_cast<const std::uint16_t*>(at));
    default:
      return load(reinterpret_cast<const float*>(at));
  }
}

// kScales: scales a block of 32 k; kOffsetBits: quants are stored + 2^kOffsetBits (0: + 0); kWide: quants reach 255,
// else 127; kBlockBytes: quants of 32 k; kScaleBytes: at most so many scales beside them.

struct Int8 {
  static constexpr int kScales = 1, kOffsetBits = 7;
  static constexpr bool kMinimum = false, kWide = true;
  static constexpr std::int64_t kBlockBytes = 512, kScaleBytes = 32;
  CAIRN_INLINE void quads(const std::uint8_t* quants, Vb (&w)[8]) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) w[i] = bload(quants + 64 * i);
  }
  CAIRN_INLINE void scales(const PanelScales& layout, const std::uint8_t* scales, std::int64_t block, Vf* scale, Vf*) {
    *scale = scale_at(layout, scales + (block >> layout.shift) * layout.stride);
  }
};

struct Int4 {
  static constexpr int kScales = 1, kOffsetBits = 3;
  static constexpr bool kMinimum = false, kWide = false;
  static constexpr std::int64_t kBlockBytes = 256, kScaleBytes = 32;
  CAIRN_INLINE void quads(const std::uint8_t* quants, Vb (&w)[8]) { split_nibbles(quants, w); }
  CAIRN_INLINE void scales(const PanelScales& layout, const std::uint8_t* scales, std::int64_t block, Vf* scale, Vf*) {
    *scale = scale_at(layout, scales + (block >> layout.shift) * layout.stride);
  }
};

// The minimum is exact: 11 bits of a 16-bit scale times 4 of a zero point.
struct UInt4 {
  static constexpr int kScales = 1, kOffsetBits = 0;
  static constexpr bool kMinimum = true, kWide = false;
  static constexpr std::int64_t kBlockBytes = 256, kScaleBytes = 48;
  CAIRN_INLINE void quads(const std::uint8_t* quants, Vb (&w)[8]) { split_nibbles(quants, w); }
  CAIRN_INLINE void scales(const PanelScales& layout, const std::uint8_t* scales, std::int64_t block, Vf* scale,
                           Vf* minimum) {
    const std::uint8_t* at = scales + (block >> layout.shift) * layout.stride;
    *scale = scale_at(layout, at);
    *minimum = zero() - *scale * to_float(load_u8(at + 32));
  }
};

struct Q4_1 {
  static constexpr int kScales = 1, kOffsetBits = 0;
  static constexpr bool kMinimum = true, kWide = false;
  static constexpr std::int64_t kBlockBytes = 256, kScaleBytes = 64;
  CAIRN_INLINE void quads(const std::uint8_t* quants, Vb (&w)[8]) { split_nibbles(quants, w); }
  CAIRN_INLINE void scales(const PanelScales&, const std::uint8_t* scales, std::int64_t block, Vf* scale, Vf* minimum) {
    *scale = f16_at(scales + 64 * block);
    *minimum = f16_at(scales + 64 * block + 32);
  }
};

struct Q4_K {
  static constexpr int kScales = 1, kOffsetBits = 0;
  static constexpr bool kMinimum = true, kWide = false;
  static constexpr std::int64_t kBlockBytes = 256, kScaleBytes = 40;
  CAIRN_INLINE void quads(const std::uint8_t* quants, Vb (&w)[8]) { split_nibbles(quants, w); }
  CAIRN_INLINE void scales(const PanelScales&, const std::uint8_t* scales, std::int64_t block, Vf* scale, Vf* minimum) {
    const std::uint8_t* super = scales + 320 * (block / 8);
    const std::uint8_t* sub = super + 64 + 32 * (block % 8);
    *scale = f16_at(super) * to_float(load_u8(sub));
    *minimum = zero() - f16_at(super + 32) * to_float(load_u8(sub + 16));
  }
};

struct Q5_K {
  static constexpr int kScales = 1, kOffsetBits = 0;
  static constexpr bool kMinimum = true, kWide = false;
  static constexpr std::int64_t kBlockBytes = 320, kScaleBytes = 40;
  template <int kQuad>
  CAIRN_INLINE Vb fifth_bit(Vb bits) {
    if constexpr (kQuad < 4)
      return shl16<4 - kQuad>(bits) & bset1(0x10);
    else if constexpr (kQuad > 4)
      return shr16<kQuad - 4>(bits) & bset1(0x10);
    else
      return bits & bset1(0x10);
  }
  CAIRN_INLINE void quads(const std::uint8_t* quants, Vb (&w)[8]) {
    split_nibbles(quants, w);
    const Vb bits = bload(quants + 256);
    w[0] = w[0] | fifth_bit<0>(bits), w[1] = w[1] | fifth_bit<1>(bits), w[2] = w[2] | fifth_bit<2>(bits);
    w[3] = w[3] | fifth_bit<3>(bits), w[4] = w[4] | fifth_bit<4>(bits), w[5] = w[5] | fifth_bit<5>(bits);
    w[6] = w[6] | fifth_bit<6>(bits), w[7] = w[7] | fifth_bit<7>(bits);
  }
  CAIRN_INLINE void scales(const PanelScales&, const std::uint8_t* scales, std::int64_t block, Vf* scale, Vf* minimum) {
    Q4_K::scales({}, scales, block, scale, minimum);
  }
};

struct Q6_K {
  static constexpr int kScales = 2, kOffsetBits = 5;
  static constexpr bool kMinimum = false, kWide = false;
  static constexpr std::int64_t kBlockBytes = 384, kScaleBytes = 36;
  CAIRN_INLINE void quads(const std::uint8_t* quants, Vb (&w)[8]) {
    split_nibbles(quants, w);
    const Vb mask = bset1(0x30);
#pragma GCC unroll 2
    for (int t = 0; t < 2; ++t) {
      const Vb bits = bload(quants + 256 + 64 * t);
      w[4 * t] = w[4 * t] | (shl16<4>(bits) & mask);
      w[4 * t + 1] = w[4 * t + 1] | (shl16<2>(bits) & mask);
      w[4 * t + 2] = w[4 * t + 2] | (bits & mask);
      w[4 * t + 3] = w[4 * t + 3] | (shr16<2>(bits) & mask);
    }
  }
  CAIRN_INLINE void scales(const PanelScales&, const std::uint8_t* scales, std::int64_t block, Vf* scale, Vf*) {
    const std::uint8_t* super = scales + 288 * (block / 8);
    const Vf d = f16_at(super);
    const auto* sub = reinterpret_cast<const std::int8_t*>(super + 32 + 32 * (block % 8));
    scale[0] = d * to_float(load_i8(sub));
    scale[1] = d * to_float(load_i8(sub + 16));
  }
};

/// The sections of an a8 row.
struct A8Row {
  const std::uint8_t* quants;
  const float* scales;                // [K / 32]
  const float* scaled_sums;           // [K / 32]
  const std::int32_t* negative_sums;  // [K / 16]
};
CAIRN_INLINE A8Row a8_row(const std::uint8_t* row, std::int64_t k) {
  const auto* scales = reinterpret_cast<const float*>(row + k);
  return {row, scales, scales + k / 32, reinterpret_cast<const std::int32_t*>(scales + 2 * (k / 32))};
}

/// The starting value of the integer sum of scale `s` of a block: the offset's part of the sum, -2^kOffsetBits * sum of
/// a.
template <typename Format>
CAIRN_INLINE Vi dot_start(const A8Row& row, std::int64_t block, int s) {
  if constexpr (Format::kOffsetBits == 0) return izero();
  const std::int32_t* sums = row.negative_sums + 2 * block;
  if constexpr (Format::kScales == 2) return shl32<Format::kOffsetBits>(iset1(sums[s]));
  return shl32<Format::kOffsetBits>(iset1(sums[0]) + iset1(sums[1]));
}

template <typename Format>
CAIRN_INLINE Vi dot_quad(Vi sum, Vb w, Vb a) {
  return Format::kWide ? dot_u8i8(sum, w, a) : dot_u7i8(sum, w, a);
}

CAIRN_INLINE Vf add_scaled(Vf output, Vi dot, Vf scale, Vf a_scale) {
  return fma(to_float(dot), scale * a_scale, output);
}

}  // namespace
}  // namespace cairn::CAIRN_ISA
