// Gated activations.
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// SwiGlu(gate f32 [T, I], up f32 [T, I]) -> gate / (1 + e^-gate) * up, [T, I] (Shazeer 2020).
/// Against double precision: relative error below 8 * 2^-24; results below e^-87 in gate's sigmoid are flushed to 0.
/// With an attribute dtype (a8, a8x2, bf16) the result is converted as by QuantizeActivation.
extern const Operator kSwiGlu;

}  // namespace cairn
