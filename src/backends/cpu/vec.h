// One vector width for all kernels: 16 lanes of 32 bits (or 64 bytes), on every instruction set.
//
// A kernel is written once against these types and compiled once an instruction set (isa.cmake). AVX-512 holds a
// vector in one register, AVX2 in two, NEON in four, and the portable version uses the compiler's vector extension. With
// a fixed width the packed weight layouts, the order of every sum and so the results do not depend on the machine's width
// (the last bit may still differ where one machine fuses multiply-add and another cannot).
//
// Only for sources compiled by cairn_isa_sources.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef CAIRN_ISA
#error "backends/cpu/vec.h is only for sources compiled by cairn_isa_sources"
#endif

#if defined(CAIRN_ISA_avx512) || defined(CAIRN_ISA_avx512_vnni) || defined(CAIRN_ISA_avx512_bf16)
#include "backends/cpu/vec_avx512.h"
#elif defined(CAIRN_ISA_avx2)
#include "backends/cpu/vec_avx2.h"
#elif defined(CAIRN_ISA_neon) || defined(CAIRN_ISA_neon_dotprod) || defined(CAIRN_ISA_neon_i8mm)
#include "backends/cpu/vec_neon.h"
#else
#include "backends/cpu/vec_portable.h"
#endif

namespace cairn::CAIRN_ISA {

inline constexpr int kLanes = 16;

#define CAIRN_INLINE static inline __attribute__((always_inline))

/// The first n (0..16) lanes from memory, the others 0; reads nothing beyond.
CAIRN_INLINE Vf load_n(const float* p, std::int64_t n) {
  float lanes[kLanes] = {};
  std::memcpy(lanes, p, static_cast<std::size_t>(n) * sizeof(float));
  return load(lanes);
}
CAIRN_INLINE void store_n(float* p, Vf v, std::int64_t n) {
  float lanes[kLanes];
  store(lanes, v);
  std::memcpy(p, lanes, static_cast<std::size_t>(n) * sizeof(float));
}

/// a * 2^n for a in [0.5, 2] and whole n in [-150, 150]; what is beyond f32 becomes inf, or at the other end denormal or 0.
CAIRN_INLINE Vf mul_pow2(Vf a, Vf n) {
#if defined(__AVX512F__)
  return {_mm512_scalef_ps(a.v, n.v)};
#else
  // In two factors, so that neither overflows on the way.
  const Vf clamped = max(min(n, set1(150.0f)), set1(-150.0f));
  const Vf half = round_nearest(clamped * set1(0.5f));
  return a * pow2(half) * pow2(clamped - half);
#endif
}

/// store_bf16 as the processor converts: denormals may become 0.
CAIRN_INLINE void store_bf16_flushed(std::uint16_t* p, Vf a) {
#if defined(CAIRN_ISA_avx512_bf16)
  const __m256bh bits = _mm512_cvtneps_pbh(a.v);
  std::memcpy(p, &bits, sizeof bits);
#else
  store_bf16(p, a);
#endif
}

/// e^x to 2 ulp; 0 below -87.3, inf above 88.7, nan for nan.
CAIRN_INLINE Vf exp(Vf x) {
  // Source: Cody and Waite range reduction, then the degree 6 minimax polynomial of e^r on [-ln2/2, ln2/2].
  const Vf clamped = min(set1(100.0f), x);  // in this order nan stays
  const Vf n = round_nearest(clamped * set1(1.44269504088896341f));
  Vf r = fma(n, set1(-0.693359375f), clamped);
  r = fma(n, set1(2.12194440e-4f), r);
  Vf p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = fma(p, r * r, r + set1(1.0f));
  return select_less(x, set1(-87.33654f), zero(), mul_pow2(p, n));
}

/// 1 / (1 + e^-x)
CAIRN_INLINE Vf sigmoid(Vf x) { return set1(1.0f) / (set1(1.0f) + exp(zero() - x)); }

}  // namespace cairn::CAIRN_ISA
