// Kernel table of the rotary family; one instance an instruction set.
#pragma once

#include <cstdint>

#include "ops/core/rows.h"

namespace cairn {

inline constexpr std::int64_t kMaxRotaryDim = 1024;

/// Angles of `tokens` positions: sine and cosine [tokens, rotary_dim / 2].
struct AngleArgs {
  const std::int32_t* positions = nullptr;  // [tokens]
  std::int64_t tokens = 0;
  const float* frequencies = nullptr;        // [rotary_dim / 2]
  const float* frequency_factors = nullptr;  // [rotary_dim / 2] divisors, or null
  std::int64_t rotary_dim = 0;
  float *sine = nullptr, *cosine = nullptr;
};

struct RotaryArgs {
  Rows<const float> x;  // row t * heads + h; columns beyond rotary_dim are copied
  Rows<float> out;
  const float *sine = nullptr, *cosine = nullptr;  // [T, rotary_dim / 2]
  std::int64_t rotary_dim = 0;
  bool interleaved = false;
};

struct RotaryTable {
  void (*angles)(const AngleArgs& args);
  /// Rows [begin, end).
  void (*rotate)(const RotaryArgs& args, std::int64_t begin, std::int64_t end);
};

}  // namespace cairn
