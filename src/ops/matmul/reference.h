// MatMul and QuantizeActivation as their formulas.
#pragma once

#include <span>

#include "ops/core/operator.h"

namespace cairn {

/// x is f32, bf16, a8 or a8x2; weights are strided or packed. Sums in double.
void matmul_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes);
void quantize_activation_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                             const Attributes& attributes);

/// Row `row` of activations x [T, K] (f32, bf16, a8 or a8x2) as f32; out.size() is K.
void decode_activation(const TensorView& x, std::int64_t row, std::span<float> out);

}  // namespace cairn
