// Element by element sums, row selection, and operators that only change how memory is seen.
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// Add(a f32 [T, N], b f32 [T, N]) -> a + b; or b [N] of f32/bf16/f16, a bias added to every row. Exact to one
/// rounding.
extern const Operator kAdd;

/// GatherRows(x f32 [T, D], rows i32 [R]) -> x[rows] [R, D]. A row number outside x is clamped to it.
extern const Operator kGatherRows;

/// Split(x [.., N]), sizes (sum N) -> one view of x a size, side by side in the last dimension. Moves no data.
extern const Operator kSplit;

/// Reshape(x [T, H * D]), heads = H -> [T, H, D]. A view; rows may be strided.
extern const Operator kReshape;

}  // namespace cairn
