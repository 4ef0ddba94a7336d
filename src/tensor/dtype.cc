#include "tensor/dtype.h"

#include <array>

namespace cairn {

const DTypeInfo& info(DType dtype) {
  static constexpr std::array<DTypeInfo, 16> table = {{
      {"f32", 1, 4}, {"f16", 1, 2}, {"bf16", 1, 2}, {"f8_e4m3", 1, 1},
      {"i8", 1, 1}, {"u8", 1, 1}, {"i32", 1, 4}, {"i64", 1, 8},
      {"q8_0", 32, 34}, {"q4_0", 32, 18}, {"q4_1", 32, 20},
      {"q4_k", 256, 144}, {"q5_k", 256, 176}, {"q6_k", 256, 210},
      {"a8", 32, 48}, {"a8x2", 32, 96},
  }};
  return table[static_cast<std::size_t>(dtype)];
}

}  // namespace cairn
