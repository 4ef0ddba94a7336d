// 8-bit floats (e4m3) of packed panels as bf16: exact, in registers.
// Only for sources compiled by cairn_isa_sources.
#pragma once

#include "backends/cpu/vec.h"
#include "ops/matmul/panel_format.h"

namespace cairn::CAIRN_ISA {
namespace {

/// k that are summed before their scale is applied, where products are of bf16: a group, or a part of it.
constexpr std::int64_t kF8Group = 128;

// A code s eeee mmm is the bf16 s (eeee + 120) mmm0000. With an exponent of 0 it is mmm * 2^-9, which bf16 writes with
// another exponent: eight values, from a table. A nan's code becomes 480; RowSources make its scale nan instead.
#if defined(CAIRN_ISA_avx512) || defined(CAIRN_ISA_avx512_vnni) || defined(CAIRN_ISA_avx512_bf16)

/// 16 lanes of four codes, k = 0, 2, 1, 3, as pairs of bf16: k = 0 and 1, k = 2 and 3.
CAIRN_INLINE void e4m3_pairs(Vb codes, Vb (&pairs)[2]) {
  const __m512i bias = _mm512_set1_epi16(0x3C00), exponent = _mm512_set1_epi16(0x0780),
                magnitude = _mm512_set1_epi16(0x07F0), sign = _mm512_set1_epi16(static_cast<short>(0x8000));
  const __m512i small =
      _mm512_broadcast_i32x4(_mm_setr_epi16(0, 0x3B00, 0x3B80, 0x3BC0, 0x3C00, 0x3C20, 0x3C40, 0x3C60));
  const __m512i low = _mm512_and_si512(_mm512_slli_epi16(codes.v, 4), magnitude),
                high = _mm512_and_si512(_mm512_srli_epi16(codes.v, 4), magnitude);
  const __m512i low_bits = _mm512_mask_permutexvar_epi16(_mm512_add_epi16(low, bias),
                                                         _mm512_testn_epi16_mask(low, exponent), codes.v, small);
  const __m512i high_bits = _mm512_mask_permutexvar_epi16(
      _mm512_add_epi16(high, bias), _mm512_testn_epi16_mask(high, exponent), _mm512_srli_epi16(codes.v, 8), small);
  constexpr int kFirstOrBothOthers = 0xF8;
  pairs[0] = {_mm512_ternarylogic_epi32(low_bits, _mm512_slli_epi16(codes.v, 8), sign, kFirstOrBothOthers)};
  pairs[1] = {_mm512_ternarylogic_epi32(high_bits, codes.v, sign, kFirstOrBothOthers)};
}

#elif defined(CAIRN_ISA_avx2)

// 16 codes in the low bytes.
CAIRN_INLINE __m256i e4m3_bits(__m256i codes) {
  const __m256i magnitude = _mm256_slli_epi16(_mm256_and_si256(codes, _mm256_set1_epi16(0x7F)), 4);
  const __m256i small = _mm256_broadcastsi128_si256(  // the low bytes, then the high ones
      _mm_setr_epi8(0, 0, -0x80, -0x40, 0, 0x20, 0x40, 0x60, 0, 0x3B, 0x3B, 0x3B, 0x3C, 0x3C, 0x3C, 0x3C));
  const __m256i mantissa = _mm256_and_si256(codes, _mm256_set1_epi16(7));
  const __m256i bytes =
      _mm256_or_si256(_mm256_or_si256(mantissa, _mm256_slli_epi16(mantissa, 8)), _mm256_set1_epi16(0x0800));
  const __m256i bits =
      _mm256_blendv_epi8(_mm256_add_epi16(magnitude, _mm256_set1_epi16(0x3C00)), _mm256_shuffle_epi8(small, bytes),
                         _mm256_cmpgt_epi16(_mm256_set1_epi16(0x0080), magnitude));
  const __m256i sign = _mm256_set1_epi16(static_cast<short>(0x8000));
  return _mm256_or_si256(bits, _mm256_and_si256(_mm256_slli_epi16(codes, 8), sign));
}
CAIRN_INLINE void e4m3_pairs(Vb codes, Vb (&pairs)[2]) {
  const __m256i low = _mm256_set1_epi16(0xFF);
  pairs[0] = {e4m3_bits(_mm256_and_si256(codes.l, low)), e4m3_bits(_mm256_and_si256(codes.h, low))};
  pairs[1] = {e4m3_bits(_mm256_srli_epi16(codes.l, 8)), e4m3_bits(_mm256_srli_epi16(codes.h, 8))};
}

#else

// The code's bits moved to a float's place are its value * 2^-120, denormals too.
CAIRN_INLINE std::uint16_t e4m3_bits(std::uint32_t code) {
  const std::uint32_t moved = ((code & 0x80u) << 24) | ((code & 0x7Fu) << 20);
  float value;
  std::memcpy(&value, &moved, 4);
  value *= 0x1p120f;
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<std::uint16_t>(bits >> 16);
}
CAIRN_INLINE void e4m3_pairs(Vb codes, Vb (&pairs)[2]) {
  std::uint16_t both[32], low[32], high[32];
  bstore(both, codes);
  for (int i = 0; i < 32; ++i) {
    low[i] = e4m3_bits(both[i] & 0xFFu);
    high[i] = e4m3_bits(both[i] >> 8);
  }
  pairs[0] = bload(low);
  pairs[1] = bload(high);
}

#endif

/// Four k of 16 outputs as f32, times their scale.
CAIRN_INLINE void e4m3_scaled(Vb codes, Vf scale, Vf (&w)[4]) {
  Vb pairs[2];
  e4m3_pairs(codes, pairs);
  w[0] = bf16_low(pairs[0]) * scale, w[1] = bf16_high(pairs[0]) * scale;
  w[2] = bf16_low(pairs[1]) * scale, w[3] = bf16_high(pairs[1]) * scale;
}

}  // namespace
}  // namespace cairn::CAIRN_ISA
