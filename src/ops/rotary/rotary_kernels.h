// Kernel table of the rotary family; one instance an instruction set.
#pragma once

#include <cstdint>

#include "ops/core/rows.h"

namespace cairn {

inline constexpr std::int64_t kMaxRotaryDim = 1024;

struct RotaryArgs {
  Rows<const float> x;  // row t * heads + h
  Rows<float> out;
  const std::int32_t* positions = nullptr;   // [T]
  const float* frequencies = nullptr;        // [rotary_dim / 2]
  const float* frequency_factors = nullptr;  // [rotary_dim / 2] divisors, or null
  std::int64_t rotary_dim = 0;
  bool interleaved = false;
};

struct RotaryTable {
  /// Rows [begin, end).
  void (*rotate)(const RotaryArgs& args, std::int64_t begin, std::int64_t end);
};

}  // namespace cairn
