#include "tensor/dtype.h"

#include <array>

namespace cairn {
namespace {

constexpr int size_of(DType scale) { return scale == DType::f32 ? 4 : 2; }

constexpr DTypeInfo channel(std::string_view name, Codes codes) { return {name, 32, 32, codes, DType::f32, 4}; }
constexpr DTypeInfo int4(std::string_view name, Codes codes, DType scale, int group) {
  return {name, group, size_of(scale) + (codes == Codes::u4 ? 1 : 0) + group / 2, codes, scale, 0};
}

}  // namespace

const DTypeInfo& info(DType dtype) {
  static constexpr std::array<DTypeInfo, 31> table = {{
      {"f32", 1, 4}, {"f16", 1, 2}, {"bf16", 1, 2}, {"f8_e4m3", 1, 1},
      {"i8", 1, 1}, {"u8", 1, 1}, {"i32", 1, 4}, {"i64", 1, 8},
      {"q8_0", 32, 34}, {"q4_0", 32, 18}, {"q4_1", 32, 20},
      {"q4_k", 256, 144}, {"q5_k", 256, 176}, {"q6_k", 256, 210},
      {"a8", 32, 48}, {"a8x2", 32, 96},
      channel("i8_channel", Codes::i8), channel("f8_channel", Codes::e4m3),
      {"f8_g128", 128, 132, Codes::e4m3, DType::f32, 0},
      int4("i4_f16_g32", Codes::i4, DType::f16, 32), int4("i4_f16_g64", Codes::i4, DType::f16, 64),
      int4("i4_f16_g128", Codes::i4, DType::f16, 128), int4("i4_bf16_g32", Codes::i4, DType::bf16, 32),
      int4("i4_bf16_g64", Codes::i4, DType::bf16, 64), int4("i4_bf16_g128", Codes::i4, DType::bf16, 128),
      int4("u4_f16_g32", Codes::u4, DType::f16, 32), int4("u4_f16_g64", Codes::u4, DType::f16, 64),
      int4("u4_f16_g128", Codes::u4, DType::f16, 128), int4("u4_bf16_g32", Codes::u4, DType::bf16, 32),
      int4("u4_bf16_g64", Codes::u4, DType::bf16, 64), int4("u4_bf16_g128", Codes::u4, DType::bf16, 128),
  }};
  return table[static_cast<std::size_t>(dtype)];
}

}  // namespace cairn
