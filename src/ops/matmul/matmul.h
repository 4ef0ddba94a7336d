// Matrix products with packed weights, and the conversion of their inputs.
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// MatMul(x [T, K], weights [N_i, K] (one or more), optional bias f32 [N], optional residual f32 [T, N]) -> f32 [T, N],
/// N = sum N_i: x times each weight transposed, the outputs side by side in order, + bias + residual.
/// Attributes "bias" and "residual" (int64, default 0) say which of the optional inputs are there.
/// Weights: f32 f16 bf16, GGUF's block types and the coded types (tensor/dtype.h), of layout strided (reference only)
/// or panel16 (the kernels). All take x of the same dtype, activation_dtype(); with strided weights x is f32.
///
/// An output's terms are added in order of k (blocks of 32 for quantized formats), so its bits depend on its row of x,
/// its weight and the instruction set alone: not on T, the number of workers, or what else is computed.
extern const Operator kMatMul;

/// QuantizeActivation(x f32 [T, K]), dtype "a8", "a8x2" or "bf16" -> that dtype [T, K]. a8: amax / 127 a block of 32
/// values, rounded to nearest even; a block with a nan or an infinity makes every product with it nan. bf16: nearest
/// even.
extern const Operator kQuantizeActivation;

/// What the kernels of `isa` read beside a weight of `weight`: a8 for integers in blocks or groups; for bf16 and 8-bit
/// float weights bf16 where the processor has bf16 products, otherwise f32; f32 for f32 and f16. Throws unsupported for
/// dtypes that are no weights. `precise`: 16-bit activations (a8x2) in place of a8, at twice the products.
DType activation_dtype(DType weight, Isa isa, bool precise = false);

}  // namespace cairn
