// Matrix products of tokens with the weights of the expert that each was routed to.
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// GroupedMatMul(x [T, K], offsets i32 [E + 1], weights [N_i, K] (E times G of them)) -> f32 [T, N], N = sum of the N_i
/// of an expert. Tokens are sorted by expert: rows offsets[e] .. offsets[e + 1] - 1 of x are multiplied by the G
/// weights of expert e (weights e * G to e * G + G - 1), transposed, the outputs side by side in order. Attribute
/// "experts" (E, int64); weight i of every expert has the same shape. Rows of no expert are not written; offsets do not
/// decrease, and those outside of x count as its ends.
/// Weights and activations are those of MatMul, and an output has the bits that MatMul of its row and its expert's
/// weights gives.
extern const Operator kGroupedMatMul;

/// The tokens of expert `expert`, of `tokens` in all.
Range tokens_of_expert(const TensorView& offsets, std::int64_t tokens, std::int64_t expert);

}  // namespace cairn
