#include "measure/limits_kernels.h"

#include "backends/cpu/vec.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cairn::CAIRN_ISA {
namespace {

// Chains of sums: enough to cover the latency of an operation, few enough for the registers. NEON's are a quarter of a
// vector, so that each chain is four already.
#if defined(__ARM_NEON)
constexpr int kFmaChains = 5, kDotI8Chains = 5, kDotBf16Chains = 5;
#else
constexpr int kFmaChains = 10, kDotI8Chains = 12, kDotBf16Chains = 14;
#endif

double fma_rounds(std::int64_t rounds, float* sink) {
  constexpr int kChains = kFmaChains;
  Vf acc[kChains];
  for (int i = 0; i < kChains; ++i) acc[i] = set1(static_cast<float>(i));
  Vf a = load(sink), b = load(sink + 16);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 10
    for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], a, b);
  }
  for (int i = 1; i < kChains; ++i) acc[0] = acc[0] + acc[i];
  store(sink + 32, acc[0]);
  return 2.0 * kLanes * kChains * static_cast<double>(rounds);
}

double dot_i8_rounds(std::int64_t rounds, float* sink) {
  constexpr int kChains = kDotI8Chains;
  Vi acc[kChains];
  for (Vi& v : acc) v = izero();
  Vb a = bload(sink), b = bload(sink + 16);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) acc[i] = dot_u7i8(acc[i], a, b);
  }
  for (int i = 1; i < kChains; ++i) acc[0] = acc[0] + acc[i];
  store(sink + 32, to_float(acc[0]));
  return 2.0 * 4 * kLanes * kChains * static_cast<double>(rounds);
}

double dot_bf16_rounds(std::int64_t rounds, float* sink) {
  constexpr int kChains = kDotBf16Chains;
  Vf acc[kChains];
  for (Vf& v : acc) v = zero();
  Vb a = bload(sink), b = bload(sink + 16);
  for (std::int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 14
    for (int i = 0; i < kChains; ++i) acc[i] = dot_bf16(acc[i], a, b);
  }
  for (int i = 1; i < kChains; ++i) acc[0] = acc[0] + acc[i];
  store(sink + 32, acc[0]);
  return 2.0 * 2 * kLanes * kChains * static_cast<double>(rounds);
}

float read(const float* data, std::int64_t n) {
  Vf a = zero(), b = zero(), c = zero(), d = zero();
  for (std::int64_t i = 0; i + 64 <= n; i += 64)
    a = a + load(data + i), b = b + load(data + i + 16), c = c + load(data + i + 32), d = d + load(data + i + 48);
  return reduce_add((a + b) + (c + d));
}

void copy(float* to, const float* from, std::int64_t n) {
#if defined(CAIRN_ISA_avx512) || defined(CAIRN_ISA_avx512_vnni) || defined(CAIRN_ISA_avx512_bf16)
  for (std::int64_t i = 0; i < n; i += 16) _mm512_stream_ps(to + i, _mm512_loadu_ps(from + i));
  _mm_sfence();
#elif defined(__SSE2__)
  for (std::int64_t i = 0; i < n; i += 4) _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
  _mm_sfence();
#else
  __builtin_memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
#endif
}

}  // namespace

extern const LimitsTable kLimitsTable;
const LimitsTable kLimitsTable = {fma_rounds, dot_i8_rounds, dot_bf16_rounds, read, copy};

}  // namespace cairn::CAIRN_ISA
