// Loops that reach one limit of the machine; one table an instruction set.
#pragma once

#include <cstdint>

namespace cairn {

struct LimitsTable {
  /// Multiply-adds on registers alone; returns how many floating-point operations it did.
  double (*fma)(std::int64_t rounds, float* sink);
  /// Products of 8-bit and of bf16 numbers with exact or f32 sums, likewise.
  double (*dot_i8)(std::int64_t rounds, float* sink);
  double (*dot_bf16)(std::int64_t rounds, float* sink);
  /// Reads n floats once.
  float (*read)(const float* data, std::int64_t n);
};

}  // namespace cairn
