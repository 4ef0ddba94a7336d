// The bound MatMul kernel: splits the work and hands parts to the kernels of an instruction set.
#pragma once

#include <memory>
#include <vector>

#include "ops/core/operator.h"
#include "ops/matmul/panel_format.h"

namespace cairn {

struct MatMulConfig {
  Isa isa;
  std::vector<PanelFormat> formats;  // of the weights
  bool bias = false, residual = false;
  int planes = 1;  // a8 rows that make one row of x; 2 for a8x2
};

std::unique_ptr<Kernel> make_matmul_kernel(MatMulConfig config);

}  // namespace cairn
