// The least work that an operator has to do: what its time is compared with.
#pragma once

#include <span>

#include "ops/core/attributes.h"
#include "tensor/view.h"

namespace cairn {

/// Arithmetic that has a peak of its own.
enum class Arithmetic : std::uint8_t { f32, bf16, int8 };
inline constexpr int kArithmetics = 3;
std::string_view to_string(Arithmetic arithmetic);

struct Cost {
  double bytes = 0;       // read and written at least once
  double operations = 0;  // useful ones, a multiply-add is two; 0 for operators that are not counted by arithmetic
  Arithmetic arithmetic = Arithmetic::f32;
};

/// Every input read once and every output written once.
Cost bytes_of(std::span<const TensorView> inputs, std::span<const TensorView> outputs);

}  // namespace cairn
