// Kernel table of the norm family; one instance an instruction set.
#pragma once

#include <cstdint>

#include "ops/core/rows.h"

namespace cairn {

enum class NormWeight : int { f32, bf16, f16 };

struct NormArgs {
  Rows<const float> x, residual;  // residual.data null: none
  Rows<float> normed, sum;        // sum is written when there is a residual
  const void* weight = nullptr;   // [columns]
  NormWeight weight_type = NormWeight::f32;
  float eps = 0;
};

struct NormTable {
  /// Rows [begin, end).
  void (*rms_norm)(const NormArgs& args, std::int64_t begin, std::int64_t end);
};

}  // namespace cairn
