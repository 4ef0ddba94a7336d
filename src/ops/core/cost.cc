#include "ops/core/cost.h"

namespace cairn {

std::string_view to_string(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::int8 ? "int8" : arithmetic == Arithmetic::bf16 ? "bf16" : "f32";
}

Cost bytes_of(std::span<const TensorView> inputs, std::span<const TensorView> outputs) {
  Cost cost;
  for (const auto& views : {inputs, outputs})
    for (const TensorView& view : views) cost.bytes += static_cast<double>(byte_size(view.dtype, view.shape));
  return cost;
}

}  // namespace cairn
