// 16-lane vectors on AVX-512; see vec.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define CAIRN_INLINE static inline __attribute__((always_inline))

namespace cairn::CAIRN_ISA {

struct Vf { __m512 v; };   // 16 f32
struct Vi { __m512i v; };  // 16 i32
struct Vb { __m512i v; };  // 64 bytes

CAIRN_INLINE Vf zero() { return {_mm512_setzero_ps()}; }
CAIRN_INLINE Vf set1(float x) { return {_mm512_set1_ps(x)}; }
CAIRN_INLINE Vf load(const float* p) { return {_mm512_loadu_ps(p)}; }
CAIRN_INLINE void store(float* p, Vf a) { _mm512_storeu_ps(p, a.v); }
CAIRN_INLINE Vf operator+(Vf a, Vf b) { return {_mm512_add_ps(a.v, b.v)}; }
CAIRN_INLINE Vf operator-(Vf a, Vf b) { return {_mm512_sub_ps(a.v, b.v)}; }
CAIRN_INLINE Vf operator*(Vf a, Vf b) { return {_mm512_mul_ps(a.v, b.v)}; }
CAIRN_INLINE Vf operator/(Vf a, Vf b) { return {_mm512_div_ps(a.v, b.v)}; }
CAIRN_INLINE Vf fma(Vf a, Vf b, Vf c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// Of two operands where one is nan, min and max give the second (as x86 does).
CAIRN_INLINE Vf min(Vf a, Vf b) { return {_mm512_min_ps(a.v, b.v)}; }
CAIRN_INLINE Vf max(Vf a, Vf b) { return {_mm512_max_ps(a.v, b.v)}; }
CAIRN_INLINE Vf abs(Vf a) { return {_mm512_abs_ps(a.v)}; }
CAIRN_INLINE Vf round_nearest(Vf a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
/// 2^n for whole n in [-126, 127].
CAIRN_INLINE Vf pow2(Vf n) {
  __m512i bits = _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23);
  return {_mm512_castsi512_ps(bits)};
}
/// a < b ? yes : no
CAIRN_INLINE Vf select_less(Vf a, Vf b, Vf yes, Vf no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}

/// Sum and maximum over lanes, by halves: (i, i+8), (i, i+4), (i, i+2), (i, i+1); the same order on every set.
CAIRN_INLINE float reduce_add(Vf a) {
  __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 q = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
}
CAIRN_INLINE float reduce_max(Vf a) {
  __m256 h = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_shuffle_ps(q, q, 1)));
}

/// 16 values of 16 bits, widened.
CAIRN_INLINE Vf load_bf16(const std::uint16_t* p) {
  __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
CAIRN_INLINE Vf load_f16(const std::uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
/// Rounds to nearest even; nan stays nan.
CAIRN_INLINE void store_bf16(std::uint16_t* p, Vf a) {
  __m512i bits = _mm512_castps_si512(a.v);
  __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF))), 16);
  __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  rounded = _mm512_mask_or_epi32(rounded, nan, _mm512_srli_epi32(bits, 16), _mm512_set1_epi32(0x40));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(rounded));
}

CAIRN_INLINE Vi izero() { return {_mm512_setzero_si512()}; }
CAIRN_INLINE Vi iset1(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
CAIRN_INLINE Vi iload(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
CAIRN_INLINE void istore(std::int32_t* p, Vi a) { _mm512_storeu_si512(p, a.v); }
CAIRN_INLINE Vi operator+(Vi a, Vi b) { return {_mm512_add_epi32(a.v, b.v)}; }
CAIRN_INLINE Vi operator-(Vi a, Vi b) { return {_mm512_sub_epi32(a.v, b.v)}; }
/// a * 2^N
template <int N>
CAIRN_INLINE Vi shl32(Vi a) { return {_mm512_slli_epi32(a.v, N)}; }
CAIRN_INLINE Vf to_float(Vi a) { return {_mm512_cvtepi32_ps(a.v)}; }
/// Rounds to nearest even; out-of-range gives INT32_MIN.
CAIRN_INLINE Vi to_int(Vf a) { return {_mm512_cvtps_epi32(a.v)}; }
/// 16 i8 or u8 values, widened to i32.
CAIRN_INLINE Vi load_i8(const std::int8_t* p) { return {_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))}; }
CAIRN_INLINE Vi load_u8(const std::uint8_t* p) { return {_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))}; }
/// The low byte of each lane; lanes lie in [-128, 127].
CAIRN_INLINE void store_i8(std::int8_t* p, Vi a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v)); }

CAIRN_INLINE Vb bload(const void* p) { return {_mm512_loadu_si512(p)}; }
CAIRN_INLINE void bstore(void* p, Vb a) { _mm512_storeu_si512(p, a.v); }
/// The 4 bytes at p in every lane of 4 bytes.
CAIRN_INLINE Vb broadcast4(const void* p) {
  std::int32_t x;
  __builtin_memcpy(&x, p, 4);
  return {_mm512_set1_epi32(x)};
}
CAIRN_INLINE Vb bset1(std::uint8_t x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
CAIRN_INLINE Vb operator&(Vb a, Vb b) { return {_mm512_and_si512(a.v, b.v)}; }
CAIRN_INLINE Vb operator|(Vb a, Vb b) { return {_mm512_or_si512(a.v, b.v)}; }
/// Shifts the 16-bit halves of each lane; mask afterwards to shift bytes.
template <int N>
CAIRN_INLINE Vb shr16(Vb a) { return {_mm512_srli_epi16(a.v, N)}; }
template <int N>
CAIRN_INLINE Vb shl16(Vb a) { return {_mm512_slli_epi16(a.v, N)}; }

/// acc[i] += sum over j < 4 of u8 w[4i+j] * i8 a[4i+j]; exact.
CAIRN_INLINE Vi dot_u8i8(Vi acc, Vb w, Vb a) {
#if defined(CAIRN_ISA_avx512)
  const __m512i low = _mm512_set1_epi16(0xFF);
  __m512i even = _mm512_madd_epi16(_mm512_and_si512(w.v, low), _mm512_srai_epi16(_mm512_slli_epi16(a.v, 8), 8));
  __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(w.v, 8), _mm512_srai_epi16(a.v, 8));
  return {_mm512_add_epi32(acc.v, _mm512_add_epi32(even, odd))};
#else
  return {_mm512_dpbusd_epi32(acc.v, w.v, a.v)};
#endif
}
/// The same for w in [0, 127].
CAIRN_INLINE Vi dot_u7i8(Vi acc, Vb w, Vb a) {
#if defined(CAIRN_ISA_avx512)
  __m512i pairs = _mm512_maddubs_epi16(w.v, a.v);
  return {_mm512_add_epi32(acc.v, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))};
#else
  return {_mm512_dpbusd_epi32(acc.v, w.v, a.v)};
#endif
}
/// Lanes of two bf16 (low half first): the two as f32 vectors.
CAIRN_INLINE Vf bf16_low(Vb a) { return {_mm512_castsi512_ps(_mm512_slli_epi32(a.v, 16))}; }
CAIRN_INLINE Vf bf16_high(Vb a) {
  return {_mm512_castsi512_ps(_mm512_and_si512(a.v, _mm512_set1_epi32(static_cast<int>(0xFFFF0000u))))};
}
/// acc[i] += w[2i] * a[2i] + w[2i+1] * a[2i+1], bf16 pairs.
CAIRN_INLINE Vf dot_bf16(Vf acc, Vb w, Vb a) {
#if defined(CAIRN_ISA_avx512_bf16)
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)w.v, (__m512bh)a.v)};
#else
  return fma(bf16_high(w), bf16_high(a), fma(bf16_low(w), bf16_low(a), acc));
#endif
}

}  // namespace cairn::CAIRN_ISA
