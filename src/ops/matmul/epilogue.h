// What follows the sum over k: bias, residual, and the store of a vector of 16 outputs.
// Only for sources compiled by cairn_isa_sources.
#pragma once

#include "backends/cpu/vec.h"
#include "ops/matmul/matmul_kernels.h"

namespace cairn::CAIRN_ISA {
namespace {

/// Stores (sum + bias) + residual at `row` and the columns of `panel` that exist.
CAIRN_INLINE void finish_outputs(const MatMulArgs& args, std::int64_t row, std::int64_t panel, Vf sum) {
  const std::int64_t column = panel * kPanelOutputs;
  float* out = args.out + row * args.out_stride + column;
  const float* residual = args.residual + (args.residual ? row * args.residual_stride + column : 0);
  const std::int64_t count = args.n - column;
  if (__builtin_expect(count >= kPanelOutputs, 1)) {
    if (args.bias) sum = sum + load(args.bias + column);
    if (args.residual) sum = sum + load(residual);
    store(out, sum);
  } else {
    if (args.bias) sum = sum + load_n(args.bias + column, count);
    if (args.residual) sum = sum + load_n(residual, count);
    store_n(out, sum, count);
  }
}

/// Finishes kRows rows of x from `row` on, whose sums `sum_of(r)` gives; those of the planes of a row are added up.
template <int kRows, typename SumOf>
CAIRN_INLINE void finish_rows(const MatMulArgs& args, std::int64_t row, std::int64_t panel, SumOf sum_of) {
  if (args.planes == 1) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) finish_outputs(args, row + r, panel, sum_of(r));
  } else {
#pragma GCC unroll 8
    for (int r = 0; r + 1 < kRows; r += 2) finish_outputs(args, (row + r) / 2, panel, sum_of(r) + sum_of(r + 1));
  }
}

}  // namespace
}  // namespace cairn::CAIRN_ISA
