// 16-lane vectors by the compiler's vector extension (SSE2, NEON, or plain code); see vec.h.
#pragma once

#include <cstdint>
#include <cstring>

#define CAIRN_INLINE static inline __attribute__((always_inline))

namespace cairn::CAIRN_ISA {

typedef float F32x16 __attribute__((vector_size(64)));
typedef std::int32_t I32x16 __attribute__((vector_size(64)));
typedef std::uint32_t U32x16 __attribute__((vector_size(64)));
typedef std::uint16_t U16x32 __attribute__((vector_size(64)));
typedef std::uint8_t U8x64 __attribute__((vector_size(64)));

struct Vf { F32x16 v; };
struct Vi { I32x16 v; };
struct Vb { U8x64 v; };

CAIRN_INLINE Vf zero() { return {F32x16{}}; }
CAIRN_INLINE Vf set1(float x) { return {F32x16{} + x}; }
CAIRN_INLINE Vf load(const float* p) {
  Vf a;
  std::memcpy(&a.v, p, 64);
  return a;
}
CAIRN_INLINE void store(float* p, Vf a) { std::memcpy(p, &a.v, 64); }
CAIRN_INLINE Vf operator+(Vf a, Vf b) { return {a.v + b.v}; }
CAIRN_INLINE Vf operator-(Vf a, Vf b) { return {a.v - b.v}; }
CAIRN_INLINE Vf operator*(Vf a, Vf b) { return {a.v * b.v}; }
CAIRN_INLINE Vf operator/(Vf a, Vf b) { return {a.v / b.v}; }
CAIRN_INLINE Vf fma(Vf a, Vf b, Vf c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  Vf r;
  for (int i = 0; i < 16; ++i) r.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return r;
#else
  return {a.v * b.v + c.v};
#endif
}
CAIRN_INLINE Vf min(Vf a, Vf b) { return {a.v < b.v ? a.v : b.v}; }
CAIRN_INLINE Vf max(Vf a, Vf b) { return {a.v > b.v ? a.v : b.v}; }
CAIRN_INLINE Vf abs(Vf a) { return {(F32x16)((I32x16)a.v & 0x7FFFFFFF)}; }
CAIRN_INLINE Vf round_nearest(Vf a) {
  // Adding and taking away 1.5 * 2^23 rounds to nearest even below 2^22; larger values are whole already or saturate
  // in every use here.
  const F32x16 magic = F32x16{} + 12582912.0f;
  F32x16 rounded = (a.v + magic) - magic;
  return {((I32x16)a.v & 0x7FFFFFFF) < 0x4A800000 ? rounded : a.v};
}
CAIRN_INLINE Vi to_int_small(Vf a) {
  const F32x16 magic = F32x16{} + 12582912.0f;
  return {(I32x16)(a.v + magic) - 0x4B400000};
}
CAIRN_INLINE Vf pow2(Vf n) { return {(F32x16)((to_int_small(n).v + 127) << 23)}; }
CAIRN_INLINE Vf select_less(Vf a, Vf b, Vf yes, Vf no) { return {a.v < b.v ? yes.v : no.v}; }

CAIRN_INLINE float reduce_add(Vf a) {
  float s[16];
  store(s, a);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}
CAIRN_INLINE float reduce_max(Vf a) {
  float s[16];
  store(s, a);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] = s[i] > s[i + half] ? s[i] : s[i + half];
  return s[0];
}

CAIRN_INLINE U32x16 widen16(const std::uint16_t* p) {
  U32x16 wide;
  for (int i = 0; i < 16; ++i) wide[i] = p[i];
  return wide;
}
CAIRN_INLINE Vf load_bf16(const std::uint16_t* p) { return {(F32x16)(widen16(p) << 16)}; }
CAIRN_INLINE Vf load_f16(const std::uint16_t* p) {
  U32x16 half = widen16(p);
  U32x16 sign = (half & 0x8000u) << 16;
  U32x16 rest = half & 0x7FFFu;
  U32x16 finite = (U32x16)((F32x16)(rest << 13) * 0x1p112f);
  U32x16 special = 0x7F800000u | ((rest & 0x3FFu) << 13);
  return {(F32x16)(sign | (rest >= 0x7C00u ? special : finite))};
}
CAIRN_INLINE void store_bf16(std::uint16_t* p, Vf a) {
  U32x16 bits = (U32x16)a.v;
  U32x16 rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  U32x16 quiet = (bits >> 16) | 0x40u;
  U32x16 result = (bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded;
  for (int i = 0; i < 16; ++i) p[i] = static_cast<std::uint16_t>(result[i]);
}

CAIRN_INLINE Vi izero() { return {I32x16{}}; }
CAIRN_INLINE Vi iset1(std::int32_t x) { return {I32x16{} + x}; }
CAIRN_INLINE Vi iload(const std::int32_t* p) {
  Vi a;
  std::memcpy(&a.v, p, 64);
  return a;
}
CAIRN_INLINE void istore(std::int32_t* p, Vi a) { std::memcpy(p, &a.v, 64); }
CAIRN_INLINE Vi operator+(Vi a, Vi b) { return {a.v + b.v}; }
CAIRN_INLINE Vi operator-(Vi a, Vi b) { return {a.v - b.v}; }
template <int N>
CAIRN_INLINE Vi shl32(Vi a) { return {a.v << N}; }
CAIRN_INLINE Vf to_float(Vi a) { return {__builtin_convertvector(a.v, F32x16)}; }
CAIRN_INLINE Vi to_int(Vf a) {
  Vf rounded = round_nearest(a);
  Vi r;
  for (int i = 0; i < 16; ++i) {
    float x = rounded.v[i];
    r.v[i] = x >= -2147483648.0f && x < 2147483648.0f ? static_cast<std::int32_t>(x) : INT32_MIN;
  }
  return r;
}
CAIRN_INLINE Vi load_i8(const std::int8_t* p) {
  Vi a;
  for (int i = 0; i < 16; ++i) a.v[i] = p[i];
  return a;
}
CAIRN_INLINE Vi load_u8(const std::uint8_t* p) {
  Vi a;
  for (int i = 0; i < 16; ++i) a.v[i] = p[i];
  return a;
}
CAIRN_INLINE void store_i8(std::int8_t* p, Vi a) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<std::int8_t>(a.v[i]);
}

CAIRN_INLINE Vb bload(const void* p) {
  Vb a;
  std::memcpy(&a.v, p, 64);
  return a;
}
CAIRN_INLINE void bstore(void* p, Vb a) { std::memcpy(p, &a.v, 64); }
CAIRN_INLINE Vb broadcast4(const void* p) {
  std::uint32_t x;
  std::memcpy(&x, p, 4);
  return {(U8x64)(U32x16{} + x)};
}
CAIRN_INLINE Vb bset1(std::uint8_t x) { return {U8x64{} + x}; }
CAIRN_INLINE Vb operator&(Vb a, Vb b) { return {a.v & b.v}; }
CAIRN_INLINE Vb operator|(Vb a, Vb b) { return {a.v | b.v}; }
template <int N>
CAIRN_INLINE Vb shr16(Vb a) { return {(U8x64)((U16x32)a.v >> N)}; }
template <int N>
CAIRN_INLINE Vb shl16(Vb a) { return {(U8x64)((U16x32)a.v << N)}; }

CAIRN_INLINE Vi dot_u8i8(Vi acc, Vb w, Vb a) {
  // Bytes of each 32-bit lane, isolated by shifts so that the compiler keeps whole vectors.
  U32x16 uw = (U32x16)w.v;
  I32x16 sa = (I32x16)a.v;
  I32x16 sum = (I32x16)(uw & 0xFFu) * ((sa << 24) >> 24);
  sum += (I32x16)((uw >> 8) & 0xFFu) * ((sa << 16) >> 24);
  sum += (I32x16)((uw >> 16) & 0xFFu) * ((sa << 8) >> 24);
  sum += (I32x16)(uw >> 24) * (sa >> 24);
  return {acc.v + sum};
}
CAIRN_INLINE Vi dot_u7i8(Vi acc, Vb w, Vb a) { return dot_u8i8(acc, w, a); }
CAIRN_INLINE Vf bf16_low(Vb a) { return {(F32x16)((U32x16)a.v << 16)}; }
CAIRN_INLINE Vf bf16_high(Vb a) { return {(F32x16)((U32x16)a.v & 0xFFFF0000u)}; }
CAIRN_INLINE Vf dot_bf16(Vf acc, Vb w, Vb a) {
  return fma(bf16_high(w), bf16_high(a), fma(bf16_low(w), bf16_low(a), acc));
}

}  // namespace cairn::CAIRN_ISA
