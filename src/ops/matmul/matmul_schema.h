// What the schemas of MatMul and GroupedMatMul share.
#pragma once

#include <span>
#include <string_view>

#include "ops/core/operator.h"
#include "ops/matmul/matmul_kernel.h"

namespace cairn {

/// Checks input `i`, a weight, against x, input 0, and returns its outputs. Throws in the name of `op`.
std::int64_t check_weight(std::string_view op, const InferContext& context, std::size_t i);

/// How the kernels take `weights`, whose outputs lie side by side, beginning at column 0 again after each
/// `side_by_side` of them. Throws unsupported for weights that are not packed.
MatMulConfig matmul_config(std::string_view op, const PrepareContext& context, std::span<const ValueType> weights,
                           std::size_t side_by_side);

/// Sets the operations of x times weights that make `out`, and their arithmetic.
void count_products(Cost& cost, const TensorView& x, const TensorView& out);

}  // namespace cairn
