// Elements of a KV cache, for sources compiled once an instruction set: rows of f32 to what is stored (encode), and
// groups of stored elements to what kernels multiply (decode). Both keep the order.
#pragma once

#include "backends/cpu/vec.h"
#include "ops/attention/kv_layout.h"

namespace cairn::CAIRN_ISA {

/// 16 f32 as codes of a float format with kMantissa bits and the exponent bias kBias, rounded to nearest even, the sign
/// in bit kSign; what is beyond the largest number becomes `beyond`, nan becomes `nan`.
template <int kMantissa, int kBias, int kSign, typename Code>
CAIRN_INLINE void encode_float(const float* from, Code* to, std::uint32_t beyond, std::uint32_t nan) {
  constexpr int kDropped = 23 - kMantissa;
  constexpr std::uint32_t kLeastNormal = static_cast<std::uint32_t>(128 - kBias) << 23;
  // Adding this rounds to a multiple of the least denormal.
  constexpr std::uint32_t kMagic = static_cast<std::uint32_t>(127 + 24 - kBias - kMantissa) << 23;
  for (int i = 0; i < 16; ++i) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, from + i, 4);
    const std::uint32_t magnitude = bits & 0x7FFFFFFFu, odd = (magnitude >> kDropped) & 1u;
    const std::uint32_t normal = ((magnitude + ((1u << (kDropped - 1)) - 1) + odd) >> kDropped) -
                                 (static_cast<std::uint32_t>(127 - kBias) << kMantissa);
    float value, magic;
    __builtin_memcpy(&value, &magnitude, 4);
    __builtin_memcpy(&magic, &kMagic, 4);
    value += magic;
    std::uint32_t denormal;
    __builtin_memcpy(&denormal, &value, 4);
    std::uint32_t code = magnitude < kLeastNormal ? denormal - kMagic : normal;
    code = code < beyond ? code : beyond;
    code = magnitude > 0x7F800000u ? nan : code;
    to[i] = static_cast<Code>(code | (bits >> 31 << kSign));
  }
}

struct F32 {
  using Stored = float;
  static constexpr bool kPairs = false, kScaled = false;
  CAIRN_INLINE float encode(const float* row, float* to, std::int64_t n) {
    __builtin_memcpy(to, row, static_cast<std::size_t>(n) * sizeof(float));
    return 1;
  }
};

struct F16 {
  using Stored = std::uint16_t;
  static constexpr bool kPairs = false, kScaled = false;
  CAIRN_INLINE float encode(const float* row, std::uint16_t* to, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += 16) encode_float<10, 15, 15>(row + i, to + i, 0x7C00u, 0x7E00u);
    return 1;
  }
  /// To f32.
  CAIRN_INLINE void decode(const std::uint16_t* from, float* to) {
    store(to, load_f16(from)), store(to + 16, load_f16(from + 16));
  }
};

struct Bf16 {
  using Stored = std::uint16_t;
  static constexpr bool kPairs = true, kScaled = false;
  CAIRN_INLINE float encode(const float* row, std::uint16_t* to, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += 16) store_bf16(to + i, load(row + i));
    return 1;
  }
};

/// x = scale * integer in -127 .. 127, the scale max |x| / 127. A row that is 0 (or below 2^-100) has the scale 0, one
/// with nan or infinity the scale nan, both integers of 0.
struct I8 {
  using Stored = std::int8_t;
  static constexpr bool kPairs = true, kScaled = true;
  CAIRN_INLINE float encode(const float* row, std::int8_t* to, std::int64_t n) {
    Vf largest = zero(), finite = zero();
    for (std::int64_t i = 0; i < n; i += 16) {
      largest = max(largest, abs(load(row + i)));
      finite = fma(load(row + i), zero(), finite);  // becomes nan by nan and infinity
    }
    const float magnitude = reduce_max(largest), check = reduce_add(finite);
    const bool regular = check == 0 && magnitude >= 0x1p-100f;
    const Vf inverse = set1(regular ? 127.0f / magnitude : 0.0f);
    for (std::int64_t i = 0; i < n; i += 16) store_i8(to + i, to_int(regular ? load(row + i) * inverse : zero()));
    return regular ? magnitude / 127.0f : check == 0 ? 0.0f : __builtin_nanf("");
  }
  /// The integers to bf16, which holds them all.
  CAIRN_INLINE void decode(const std::int8_t* from, std::uint16_t* to) {
#if defined(CAIRN_ISA_avx512_bf16)
    const Vf low = to_float(load_i8(from)), high = to_float(load_i8(from + 16));
    const __m512bh both = _mm512_cvtne2ps_pbh(high.v, low.v);
    __builtin_memcpy(to, &both, sizeof both);
#else
    store_bf16(to, to_float(load_i8(from))), store_bf16(to + 16, to_float(load_i8(from + 16)));
#endif
  }
};

/// Beyond 448 saturates; nan stays nan.
struct F8E4m3 {
  using Stored = std::uint8_t;
  static constexpr bool kPairs = true, kScaled = false;
  CAIRN_INLINE float encode(const float* row, std::uint8_t* to, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += 16) encode_float<3, 7, 7>(row + i, to + i, 0x7Eu, 0x7Fu);
    return 1;
  }
  /// To bf16, which holds every value.
  CAIRN_INLINE void decode(const std::uint8_t* from, std::uint16_t* to) {
#if defined(__AVX512BW__)
    alignas(64) static constexpr std::uint16_t kDenormals[32] = {0x0000, 0x3B00, 0x3B80, 0x3BC0,
                                                                 0x3C00, 0x3C20, 0x3C40, 0x3C60};
    const __m512i code = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    const __m512i magnitude = _mm512_and_si512(code, _mm512_set1_epi16(0x7F));
    // Exponents are 120 higher in bf16; numbers without one come from the table, by their three bits.
    __m512i bits = _mm512_add_epi16(_mm512_slli_epi16(magnitude, 4), _mm512_set1_epi16(120 << 7));
    bits = _mm512_mask_permutexvar_epi16(bits, _mm512_testn_epi16_mask(code, _mm512_set1_epi16(0x78)), code,
                                         _mm512_load_si512(kDenormals));
    bits = _mm512_mask_mov_epi16(bits, _mm512_cmpeq_epi16_mask(magnitude, _mm512_set1_epi16(0x7F)),
                                 _mm512_set1_epi16(0x7FC0));
    const __m512i sign = _mm512_and_si512(_mm512_slli_epi16(code, 8), _mm512_set1_epi16(static_cast<short>(0x8000)));
    _mm512_storeu_si512(to, _mm512_or_si512(bits, sign));
#else
    float values[32];
    for (int i = 0; i < 32; ++i) {
      const std::uint32_t code = from[i], magnitude = code & 0x7Fu;
      // As the bits of an f32 the exponent is 120 too low; the product puts numbers without one right too.
      std::uint32_t bits = magnitude << 20;
      float value;
      __builtin_memcpy(&value, &bits, 4);
      value *= 0x1p120f;
      __builtin_memcpy(&bits, &value, 4);
      bits = (magnitude == 0x7Fu ? 0x7FC00000u : bits) | (code & 0x80u) << 24;
      __builtin_memcpy(values + i, &bits, 4);
    }
    store_bf16(to, load(values)), store_bf16(to + 16, load(values + 16));
#endif
  }
};

}  // namespace cairn::CAIRN_ISA
