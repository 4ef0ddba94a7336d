// 16-lane vectors on AVX2: two registers each; see vec.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define CAIRN_INLINE static inline __attribute__((always_inline))

namespace cairn::CAIRN_ISA {

struct Vf { __m256 l, h; };
struct Vi { __m256i l, h; };
struct Vb { __m256i l, h; };

CAIRN_INLINE Vf zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
CAIRN_INLINE Vf set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
CAIRN_INLINE Vf load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
CAIRN_INLINE void store(float* p, Vf a) { _mm256_storeu_ps(p, a.l), _mm256_storeu_ps(p + 8, a.h); }
CAIRN_INLINE Vf operator+(Vf a, Vf b) { return {_mm256_add_ps(a.l, b.l), _mm256_add_ps(a.h, b.h)}; }
CAIRN_INLINE Vf operator-(Vf a, Vf b) { return {_mm256_sub_ps(a.l, b.l), _mm256_sub_ps(a.h, b.h)}; }
CAIRN_INLINE Vf operator*(Vf a, Vf b) { return {_mm256_mul_ps(a.l, b.l), _mm256_mul_ps(a.h, b.h)}; }
CAIRN_INLINE Vf operator/(Vf a, Vf b) { return {_mm256_div_ps(a.l, b.l), _mm256_div_ps(a.h, b.h)}; }
CAIRN_INLINE Vf fma(Vf a, Vf b, Vf c) { return {_mm256_fmadd_ps(a.l, b.l, c.l), _mm256_fmadd_ps(a.h, b.h, c.h)}; }
CAIRN_INLINE Vf min(Vf a, Vf b) { return {_mm256_min_ps(a.l, b.l), _mm256_min_ps(a.h, b.h)}; }
CAIRN_INLINE Vf max(Vf a, Vf b) { return {_mm256_max_ps(a.l, b.l), _mm256_max_ps(a.h, b.h)}; }
CAIRN_INLINE Vf abs(Vf a) {
  const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
  return {_mm256_and_ps(a.l, mask), _mm256_and_ps(a.h, mask)};
}
CAIRN_INLINE Vf round_nearest(Vf a) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.l, mode), _mm256_round_ps(a.h, mode)};
}
CAIRN_INLINE __m256 pow2_half(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
CAIRN_INLINE Vf pow2(Vf n) { return {pow2_half(n.l), pow2_half(n.h)}; }
CAIRN_INLINE Vf select_less(Vf a, Vf b, Vf yes, Vf no) {
  return {_mm256_blendv_ps(no.l, yes.l, _mm256_cmp_ps(a.l, b.l, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.h, yes.h, _mm256_cmp_ps(a.h, b.h, _CMP_LT_OQ))};
}

CAIRN_INLINE float reduce_add(Vf a) {
  __m256 h = _mm256_add_ps(a.l, a.h);
  __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}
CAIRN_INLINE float reduce_max(Vf a) {
  __m256 h = _mm256_max_ps(a.l, a.h);
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_shuffle_ps(q, q, 1)));
}

CAIRN_INLINE __m256 bf16_half(const std::uint16_t* p) {
  __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
CAIRN_INLINE Vf load_bf16(const std::uint16_t* p) { return {bf16_half(p), bf16_half(p + 8)}; }
CAIRN_INLINE Vf load_f16(const std::uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
CAIRN_INLINE __m256i round_bf16(__m256 a) {
  __m256i bits = _mm256_castps_si256(a);
  __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF))), 16);
  __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(0x40));
  return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q)));
}
CAIRN_INLINE void store_bf16(std::uint16_t* p, Vf a) {
  __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(round_bf16(a.l), round_bf16(a.h)), 0xD8);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), packed);
}

CAIRN_INLINE Vi izero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
CAIRN_INLINE Vi iset1(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
CAIRN_INLINE Vi iload(const std::int32_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
}
CAIRN_INLINE void istore(std::int32_t* p, Vi a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.l);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), a.h);
}
CAIRN_INLINE Vi operator+(Vi a, Vi b) { return {_mm256_add_epi32(a.l, b.l), _mm256_add_epi32(a.h, b.h)}; }
CAIRN_INLINE Vi operator-(Vi a, Vi b) { return {_mm256_sub_epi32(a.l, b.l), _mm256_sub_epi32(a.h, b.h)}; }
template <int N>
CAIRN_INLINE Vi shl32(Vi a) { return {_mm256_slli_epi32(a.l, N), _mm256_slli_epi32(a.h, N)}; }
CAIRN_INLINE Vf to_float(Vi a) { return {_mm256_cvtepi32_ps(a.l), _mm256_cvtepi32_ps(a.h)}; }
CAIRN_INLINE Vi to_int(Vf a) { return {_mm256_cvtps_epi32(a.l), _mm256_cvtps_epi32(a.h)}; }
CAIRN_INLINE __m128i load8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
CAIRN_INLINE Vi load_i8(const std::int8_t* p) { return {_mm256_cvtepi8_epi32(load8(p)), _mm256_cvtepi8_epi32(load8(p + 8))}; }
CAIRN_INLINE Vi load_u8(const std::uint8_t* p) { return {_mm256_cvtepu8_epi32(load8(p)), _mm256_cvtepu8_epi32(load8(p + 8))}; }
CAIRN_INLINE void store_i8(std::int8_t* p, Vi a) {
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.l, a.h), 0xD8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

CAIRN_INLINE Vb bload(const void* p) {
  return {_mm256_loadu_si256(static_cast<const __m256i*>(p)), _mm256_loadu_si256(static_cast<const __m256i*>(p) + 1)};
}
CAIRN_INLINE void bstore(void* p, Vb a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), a.l);
  _mm256_storeu_si256(static_cast<__m256i*>(p) + 1, a.h);
}
CAIRN_INLINE Vb broadcast4(const void* p) {
  std::int32_t x;
  __builtin_memcpy(&x, p, 4);
  return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}
CAIRN_INLINE Vb bset1(std::uint8_t x) {
  return {_mm256_set1_epi8(static_cast<char>(x)), _mm256_set1_epi8(static_cast<char>(x))};
}
CAIRN_INLINE Vb operator&(Vb a, Vb b) { return {_mm256_and_si256(a.l, b.l), _mm256_and_si256(a.h, b.h)}; }
CAIRN_INLINE Vb operator|(Vb a, Vb b) { return {_mm256_or_si256(a.l, b.l), _mm256_or_si256(a.h, b.h)}; }
template <int N>
CAIRN_INLINE Vb shr16(Vb a) { return {_mm256_srli_epi16(a.l, N), _mm256_srli_epi16(a.h, N)}; }
template <int N>
CAIRN_INLINE Vb shl16(Vb a) { return {_mm256_slli_epi16(a.l, N), _mm256_slli_epi16(a.h, N)}; }

CAIRN_INLINE __m256i dot_u8i8_half(__m256i acc, __m256i w, __m256i a) {
  __m256i even = _mm256_madd_epi16(_mm256_and_si256(w, _mm256_set1_epi16(0xFF)), _mm256_srai_epi16(_mm256_slli_epi16(a, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(w, 8), _mm256_srai_epi16(a, 8));
  return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}
CAIRN_INLINE Vi dot_u8i8(Vi acc, Vb w, Vb a) { return {dot_u8i8_half(acc.l, w.l, a.l), dot_u8i8_half(acc.h, w.h, a.h)}; }
CAIRN_INLINE __m256i dot_u7i8_half(__m256i acc, __m256i w, __m256i a) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), _mm256_set1_epi16(1)));
}
CAIRN_INLINE Vi dot_u7i8(Vi acc, Vb w, Vb a) { return {dot_u7i8_half(acc.l, w.l, a.l), dot_u7i8_half(acc.h, w.h, a.h)}; }
CAIRN_INLINE Vf bf16_low(Vb a) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(a.l, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(a.h, 16))};
}
CAIRN_INLINE Vf bf16_high(Vb a) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xFFFF0000u));
  return {_mm256_castsi256_ps(_mm256_and_si256(a.l, mask)), _mm256_castsi256_ps(_mm256_and_si256(a.h, mask))};
}
CAIRN_INLINE Vf dot_bf16(Vf acc, Vb w, Vb a) {
  return fma(bf16_high(w), bf16_high(a), fma(bf16_low(w), bf16_low(a), acc));
}

}  // namespace cairn::CAIRN_ISA
