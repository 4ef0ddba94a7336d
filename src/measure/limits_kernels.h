// Loops that reach one limit of the machine; one table an instruction set.
#pragma once

#include <cstdint>

namespace cairn {

struct LimitsTable {
  /// Multiply-adds on registers alone; returns how many operations it did (a multiply-add is two).
  double (*fma)(std::int64_t rounds, float* sink);
  /// Products of 8-bit numbers with exact sums, and of bf16 numbers with f32 sums, likewise.
  double (*dot_i8)(std::int64_t rounds, float* sink);
  double (*dot_bf16)(std::int64_t rounds, float* sink);
  /// Reads n floats once, n a multiple of 64.
  float (*read)(const float* data, std::int64_t n);
  /// Copies n floats, n a multiple of 64, past the caches where the processor can.
  void (*copy)(float* to, const float* from, std::int64_t n);
};

}  // namespace cairn
