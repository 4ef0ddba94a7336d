// The bound kernels of MatMul and GroupedMatMul: split the work and hand parts to the kernels of an instruction set.
#pragma once

#include <memory>
#include <vector>

#include "ops/core/operator.h"
#include "ops/matmul/panel_format.h"

namespace cairn {

struct MatMulConfig {
  struct Weight {
    PanelFormat format = PanelFormat::f32;
    std::int64_t first_output = 0;  // column of the output
  };
  Isa isa;
  std::vector<Weight> weights;
  bool bias = false, residual = false;
  int planes = 1;  // a8 rows that make one row of x; 2 for a8x2
};

std::unique_ptr<Kernel> make_matmul_kernel(MatMulConfig config);

/// Of `experts` experts with as many weights each; neither bias nor residual.
std::unique_ptr<Kernel> make_grouped_matmul_kernel(MatMulConfig config, std::int64_t experts);

}  // namespace cairn
