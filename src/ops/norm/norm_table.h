// The norm kernels by instruction set, for operators that normalize as part of their work.
#pragma once

#include "backends/cpu/isa.h"
#include "ops/norm/norm_kernels.h"
#include "tensor/dtype.h"

namespace cairn {

const NormTable& norm_table(Isa isa);
/// Of a weight's dtype: f32, bf16 or f16.
NormWeight norm_weight(DType dtype);

}  // namespace cairn
