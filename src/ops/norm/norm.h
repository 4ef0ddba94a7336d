// Root mean square normalization (Zhang and Sennrich 2019).
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// RmsNorm(x f32 [T, D] or [T, H, D], weight [D] f32/bf16/f16), eps -> x / sqrt(mean(x^2) + eps) * weight, x's shape.
/// Against double precision: relative error of an element below (D / 64 + 8) * 2^-24.
/// With an attribute dtype (a8, a8x2, bf16) x is [T, D], and the result is converted as by QuantizeActivation.
extern const Operator kRmsNorm;

/// AddRmsNorm(x f32 [T, D], residual f32 [T, D], weight [D]), eps -> (RmsNorm(x + residual), x + residual); the norm
/// converted with an attribute dtype.
extern const Operator kAddRmsNorm;

}  // namespace cairn
