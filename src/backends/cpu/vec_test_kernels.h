// The vector operations of vec.h as functions on arrays, so that tests can call every instruction set's version.
#pragma once

#include <cstdint>

namespace cairn {

struct VecTable {
  void (*unary)(const char* op, const float* x, float* y);  // 16 lanes: exp sigmoid round abs pow2 bf16
  float (*reduce)(const char* op, const float* x);          // add max
  void (*dot_bytes)(bool small, const std::uint8_t* w, const std::int8_t* a, std::int32_t* acc);
  void (*dot_bf16)(const std::uint16_t* w, const std::uint16_t* a, float* acc);
  void (*load16)(bool half, const std::uint16_t* x, float* y);
  void (*to_i8)(const float* x, std::int8_t* y);
};

}  // namespace cairn
