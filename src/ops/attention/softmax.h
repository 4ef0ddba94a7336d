// The running softmax of attention, for sources compiled once an instruction set.
#pragma once

#include "backends/cpu/vec.h"
#include "ops/attention/attention_kernels.h"

namespace cairn::CAIRN_ISA {

/// tanh to 2 ulp. Source: Cephes tanhf (polynomial below 0.625, e^2x above).
CAIRN_INLINE Vf tanh(Vf x) {
  const Vf z = x * x;
  Vf p = set1(-5.70498872745e-3f);
  p = fma(p, z, set1(2.06390887954e-2f));
  p = fma(p, z, set1(-5.37397155531e-2f));
  p = fma(p, z, set1(1.33314422036e-1f));
  p = fma(p, z, set1(-3.33332819422e-1f));
  const Vf near = fma(p * z, x, x), magnitude = abs(x);
  const Vf far = set1(1.0f) - set1(2.0f) / (exp(magnitude + magnitude) + set1(1.0f));
  return select_less(magnitude, set1(0.625f), near, select_less(x, zero(), zero() - far, far));
}

// What exponents are taken from: the maximum, or 0 when everything so far was -inf, so that e^(-inf - m) is 0 and not
// nan.
CAIRN_INLINE float base_of(float maximum) { return maximum == -__builtin_inff() ? 0.0f : maximum; }

struct Softmax {
  float maximum, sum;
};

// The scales of a group's tokens.
CAIRN_INLINE Vf scales_of(const void* group, std::int64_t head_dim) {
  return load(reinterpret_cast<const float*>(static_cast<const char*>(group) + kKvGroup * head_dim));
}

// Turns the scores of the positions that a row sees into factors e^(score - maximum) in the same place; what else
// stands in their groups becomes 0. kScaled: keys and values have a scale a token.
template <typename Product, bool kScaled>
CAIRN_INLINE Softmax softmax_row(const AttentionStep& step, std::int64_t row) {
  alignas(64) static constexpr float kLane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const SeenRange seen = step.seen[row];
  float* scores = step.scores + row * kStepTokens;
  const std::int64_t first = seen.begin / 16, last = (seen.end - 1) / 16;
  if (kScaled)
    for (std::int64_t g = first; g <= last; ++g)
      store(scores + g * 16, load(scores + g * 16) * scales_of(step.k[g], step.head_dim));
  if (step.softcap != 0)
    for (std::int64_t g = first; g <= last; ++g)
      store(scores + g * 16, set1(step.softcap) * tanh(load(scores + g * 16) * set1(1 / step.softcap)));
  const Vf lane = load(kLane), unseen = set1(-__builtin_inff());
  store(scores + first * 16,
        select_less(lane, set1(static_cast<float>(seen.begin - first * 16)), unseen, load(scores + first * 16)));
  store(scores + last * 16,
        select_less(lane, set1(static_cast<float>(seen.end - last * 16)), load(scores + last * 16), unseen));
  Vf maximum = load(scores + first * 16);
  for (std::int64_t g = first + 1; g <= last; ++g) maximum = max(maximum, load(scores + g * 16));
  const float m = reduce_max(maximum);
  const Vf base = set1(base_of(m));
  Vf sum = zero();
  for (std::int64_t g = first; g <= last; ++g) {
    const Vf p = exp(load(scores + g * 16) - base);
    sum = sum + p;
    Product::store_factors(reinterpret_cast<typename Product::Factor*>(scores) + g * 16,
                           kScaled ? p * scales_of(step.v[g], step.head_dim) : p);
  }
  return {m, reduce_add(sum)};
}

// Updates maximum and sum of `state` by those of a later range, and keeps what each side's weighted sum is to be
// multiplied by: the earlier one's by [2], the later one's by [3].
CAIRN_INLINE void merge_sums(float* state, float maximum, float sum) {
  const float m = maximum > state[0] ? maximum : state[0];
  const Vf base = set1(base_of(m));
  const Vf earlier = exp(set1(state[0]) - base), later = exp(set1(maximum) - base);
  store_n(state + 1, fma(set1(state[1]), earlier, set1(sum) * later), 1);
  store_n(state + 2, earlier, 1);
  store_n(state + 3, later, 1);
  state[0] = m;
}

}  // namespace cairn::CAIRN_ISA
