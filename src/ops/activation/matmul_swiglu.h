// The gated part of a feed-forward layer in one step.
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// MatMulSwiGlu(x [T, K], gate [I, K], up [I, K]) -> SwiGlu(x times gate transposed, x times up transposed), [T, I];
/// bit for bit what MatMul and SwiGlu make one after the other, but the products stay in a cache. x and the weights as
/// in MatMul; with an attribute dtype (a8, a8x2, bf16) the result is converted as by QuantizeActivation.
extern const Operator kMatMulSwiGlu;

}  // namespace cairn
