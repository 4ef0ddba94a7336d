// 16-lane vectors on NEON: four registers each; see vec.h. With dot products of bytes (neon_dotprod), and those of
// unsigned with signed bytes (neon_i8mm).
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#define CAIRN_INLINE static inline __attribute__((always_inline))

namespace cairn::CAIRN_ISA {

struct Vf {
  float32x4_t v[4];
};
struct Vi {
  int32x4_t v[4];
};
struct Vb {
  uint8x16_t v[4];
};

// The four registers that `each` makes of 0 .. 3.
template <typename To, typename Each>
CAIRN_INLINE To four(const Each& each) {
  return {{each(0), each(1), each(2), each(3)}};
}

CAIRN_INLINE Vf set1(float x) {
  const float32x4_t all = vdupq_n_f32(x);
  return {{all, all, all, all}};
}
CAIRN_INLINE Vf zero() { return set1(0.0f); }
CAIRN_INLINE Vf load(const float* p) {
  return four<Vf>([&](int i) { return vld1q_f32(p + 4 * i); });
}
CAIRN_INLINE void store(float* p, Vf a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
CAIRN_INLINE Vf operator+(Vf a, Vf b) {
  return four<Vf>([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
CAIRN_INLINE Vf operator-(Vf a, Vf b) {
  return four<Vf>([&](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
CAIRN_INLINE Vf operator*(Vf a, Vf b) {
  return four<Vf>([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
CAIRN_INLINE Vf operator/(Vf a, Vf b) {
  return four<Vf>([&](int i) { return vdivq_f32(a.v[i], b.v[i]); });
}
CAIRN_INLINE Vf fma(Vf a, Vf b, Vf c) {
  return four<Vf>([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
// NEON's own minimum and maximum are nan where either operand is; vec.h wants the second one there.
CAIRN_INLINE float32x4_t min4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
CAIRN_INLINE float32x4_t max4(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
CAIRN_INLINE Vf min(Vf a, Vf b) {
  return four<Vf>([&](int i) { return min4(a.v[i], b.v[i]); });
}
CAIRN_INLINE Vf max(Vf a, Vf b) {
  return four<Vf>([&](int i) { return max4(a.v[i], b.v[i]); });
}
CAIRN_INLINE Vf abs(Vf a) {
  return four<Vf>([&](int i) { return vabsq_f32(a.v[i]); });
}
CAIRN_INLINE Vf round_nearest(Vf a) {
  return four<Vf>([&](int i) { return vrndnq_f32(a.v[i]); });
}
CAIRN_INLINE Vf pow2(Vf n) {
  return four<Vf>([&](int i) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n.v[i]), vdupq_n_s32(127)), 23));
  });
}
CAIRN_INLINE Vf select_less(Vf a, Vf b, Vf yes, Vf no) {
  return four<Vf>([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), yes.v[i], no.v[i]); });
}

CAIRN_INLINE float reduce_add(Vf a) {
  const float32x4_t q = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
  const float32x2_t d = vadd_f32(vget_low_f32(q), vget_high_f32(q));
  return vget_lane_f32(d, 0) + vget_lane_f32(d, 1);
}
CAIRN_INLINE float reduce_max(Vf a) {
  const float32x4_t q = max4(max4(a.v[0], a.v[2]), max4(a.v[1], a.v[3]));
  const float32x4_t d = max4(q, vextq_f32(q, q, 2));
  return vgetq_lane_f32(max4(d, vextq_f32(d, d, 1)), 0);
}

CAIRN_INLINE Vf load_bf16(const std::uint16_t* p) {
  return four<Vf>([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)); });
}
CAIRN_INLINE Vf load_f16(const std::uint16_t* p) {
  return four<Vf>([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))); });
}
CAIRN_INLINE uint16x4_t round_bf16(float32x4_t a) {
  const uint32x4_t bits = vreinterpretq_u32_f32(a);
  const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint16x4_t rounded = vshrn_n_u32(vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF))), 16);
  const uint16x4_t quiet = vorr_u16(vshrn_n_u32(bits, 16), vdup_n_u16(0x40));
  return vbsl_u16(vmovn_u32(vceqq_f32(a, a)), rounded, quiet);
}
CAIRN_INLINE void store_bf16(std::uint16_t* p, Vf a) {
  for (int i = 0; i < 4; ++i) vst1_u16(p + 4 * i, round_bf16(a.v[i]));
}

CAIRN_INLINE Vi iset1(std::int32_t x) {
  const int32x4_t all = vdupq_n_s32(x);
  return {{all, all, all, all}};
}
CAIRN_INLINE Vi izero() { return iset1(0); }
CAIRN_INLINE Vi iload(const std::int32_t* p) {
  return four<Vi>([&](int i) { return vld1q_s32(p + 4 * i); });
}
CAIRN_INLINE void istore(std::int32_t* p, Vi a) {
  for (int i = 0; i < 4; ++i) vst1q_s32(p + 4 * i, a.v[i]);
}
CAIRN_INLINE Vi operator+(Vi a, Vi b) {
  return four<Vi>([&](int i) { return vaddq_s32(a.v[i], b.v[i]); });
}
CAIRN_INLINE Vi operator-(Vi a, Vi b) {
  return four<Vi>([&](int i) { return vsubq_s32(a.v[i], b.v[i]); });
}
template <int N>
CAIRN_INLINE Vi shl32(Vi a) {
  return four<Vi>([&](int i) { return vshlq_n_s32(a.v[i], N); });
}
CAIRN_INLINE Vf to_float(Vi a) {
  return four<Vf>([&](int i) { return vcvtq_f32_s32(a.v[i]); });
}
CAIRN_INLINE Vi to_int(Vf a) {
  return four<Vi>([&](int i) {
    const uint32x4_t in_range = vcaltq_f32(a.v[i], vdupq_n_f32(0x1p31f));
    return vbslq_s32(in_range, vcvtnq_s32_f32(a.v[i]), vdupq_n_s32(INT32_MIN));
  });
}
CAIRN_INLINE Vi load_i8(const std::int8_t* p) {
  const int8x16_t bytes = vld1q_s8(p);
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
  return {{vmovl_s16(vget_low_s16(low)), vmovl_high_s16(low), vmovl_s16(vget_low_s16(high)), vmovl_high_s16(high)}};
}
CAIRN_INLINE Vi load_u8(const std::uint8_t* p) {
  const uint8x16_t bytes = vld1q_u8(p);
  const uint16x8_t low = vmovl_u8(vget_low_u8(bytes)), high = vmovl_high_u8(bytes);
  const uint32x4_t wide[4] = {vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)),
                              vmovl_high_u16(high)};
  return four<Vi>([&](int i) { return vreinterpretq_s32_u32(wide[i]); });
}
CAIRN_INLINE void store_i8(std::int8_t* p, Vi a) {
  const int16x8_t low = vmovn_high_s32(vmovn_s32(a.v[0]), a.v[1]), high = vmovn_high_s32(vmovn_s32(a.v[2]), a.v[3]);
  vst1q_s8(p, vmovn_high_s16(vmovn_s16(low), high));
}

CAIRN_INLINE Vb bload(const void* p) {
  return four<Vb>([&](int i) { return vld1q_u8(static_cast<const std::uint8_t*>(p) + 16 * i); });
}
CAIRN_INLINE void bstore(void* p, Vb a) {
  for (int i = 0; i < 4; ++i) vst1q_u8(static_cast<std::uint8_t*>(p) + 16 * i, a.v[i]);
}
CAIRN_INLINE Vb broadcast4(const void* p) {
  std::uint32_t x;
  std::memcpy(&x, p, 4);
  const uint8x16_t all = vreinterpretq_u8_u32(vdupq_n_u32(x));
  return {{all, all, all, all}};
}
CAIRN_INLINE Vb bset1(std::uint8_t x) {
  const uint8x16_t all = vdupq_n_u8(x);
  return {{all, all, all, all}};
}
CAIRN_INLINE Vb operator&(Vb a, Vb b) {
  return four<Vb>([&](int i) { return vandq_u8(a.v[i], b.v[i]); });
}
CAIRN_INLINE Vb operator|(Vb a, Vb b) {
  return four<Vb>([&](int i) { return vorrq_u8(a.v[i], b.v[i]); });
}
template <int N>
CAIRN_INLINE Vb shr16(Vb a) {
  return four<Vb>([&](int i) { return vreinterpretq_u8_u16(vshrq_n_u16(vreinterpretq_u16_u8(a.v[i]), N)); });
}
template <int N>
CAIRN_INLINE Vb shl16(Vb a) {
  return four<Vb>([&](int i) { return vreinterpretq_u8_u16(vshlq_n_u16(vreinterpretq_u16_u8(a.v[i]), N)); });
}

// Four products of bytes a lane. Where only signed ones can be multiplied, those of w - 128 are, and 128 times the sum
// of a is added: it does not depend on w, so that a kernel which multiplies a with several vectors has it once.
CAIRN_INLINE int32x4_t dot_s8(int32x4_t acc, int8x16_t w, int8x16_t a) {
#if defined(CAIRN_ISA_neon)
  const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(a)), high = vmull_high_s8(w, a);
  return vaddq_s32(acc, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#else
  return vdotq_s32(acc, w, a);
#endif
}
CAIRN_INLINE Vi dot_u8i8(Vi acc, Vb w, Vb a) {
  return four<Vi>([&](int i) {
    const int8x16_t signed_a = vreinterpretq_s8_u8(a.v[i]);
#if defined(CAIRN_ISA_neon_i8mm)
    return vusdotq_s32(acc.v[i], w.v[i], signed_a);
#else
    const int8x16_t signed_w = vreinterpretq_s8_u8(veorq_u8(w.v[i], vdupq_n_u8(0x80)));
    const int32x4_t sum = dot_s8(vdupq_n_s32(0), vdupq_n_s8(1), signed_a);
    return dot_s8(vaddq_s32(acc.v[i], vshlq_n_s32(sum, 7)), signed_w, signed_a);
#endif
  });
}
CAIRN_INLINE Vi dot_u7i8(Vi acc, Vb w, Vb a) {
  return four<Vi>([&](int i) {
    const int8x16_t signed_w = vreinterpretq_s8_u8(w.v[i]), signed_a = vreinterpretq_s8_u8(a.v[i]);
#if defined(CAIRN_ISA_neon)
    // The sum of two products fits 16 bits.
    const int16x8_t low = vmull_s8(vget_low_s8(signed_w), vget_low_s8(signed_a)),
                    high = vmull_high_s8(signed_w, signed_a);
    return vpadalq_s16(acc.v[i], vpaddq_s16(low, high));
#else
    return dot_s8(acc.v[i], signed_w, signed_a);
#endif
  });
}
CAIRN_INLINE Vf bf16_low(Vb a) {
  return four<Vf>([&](int i) { return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_u8(a.v[i]), 16)); });
}
CAIRN_INLINE Vf bf16_high(Vb a) {
  const uint32x4_t mask = vdupq_n_u32(0xFFFF0000u);
  return four<Vf>([&](int i) { return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_u8(a.v[i]), mask)); });
}
// Not BFDOT, which rounds otherwise: results would differ from those of every set but avx512_bf16.
CAIRN_INLINE Vf dot_bf16(Vf acc, Vb w, Vb a) {
  return fma(bf16_high(w), bf16_high(a), fma(bf16_low(w), bf16_low(a), acc));
}

}  // namespace cairn::CAIRN_ISA
