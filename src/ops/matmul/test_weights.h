// For tests: random weights of every stored format.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "tensor/float_formats.h"
#include "tensor/view.h"

namespace cairn::testing {

inline constexpr DType kWeightTypes[] = {
    DType::f32,        DType::f16,         DType::bf16,        DType::q8_0,        DType::q4_0,       DType::q4_1,
    DType::q4_k,       DType::q5_k,        DType::q6_k,        DType::i8_channel,  DType::f8_channel, DType::f8_g128,
    DType::i4_f16_g32, DType::i4_f16_g128, DType::i4_bf16_g64, DType::u4_f16_g128, DType::u4_bf16_g32};

/// Random codes (no nan) under random scales that make values of about 0.5.
inline void random_coded_row(std::mt19937& random, const DTypeInfo& type, std::int64_t k, std::uint8_t* row) {
  std::uniform_real_distribution<float> spread(0.2f, 1.0f);
  auto put_scale = [&](std::uint8_t* at) {
    const float largest = type.codes == Codes::i8 ? 127 : type.codes == Codes::e4m3 ? 448 : 8;
    encode_row(type.scale, std::vector<float>{spread(random) / largest}, at);
    return at + info(type.scale).block_bytes;
  };
  for (std::int64_t b = 0; b < k / type.block_elements; ++b) {
    std::uint8_t *at = row + b * type.block_bytes, *end = at + type.block_bytes;
    if (type.row_tail == 0) at = put_scale(at);
    if (type.codes == Codes::u4) *at++ = random() % 16;
    for (; at < end; ++at) {
      *at = static_cast<std::uint8_t>(random());
      if (type.codes == Codes::e4m3 && (*at & 0x7F) == 0x7F) *at ^= 1;
    }
  }
  if (type.row_tail > 0) put_scale(row + k / type.block_elements * type.block_bytes);
}

/// A stored weight [n, k] in row-major rows. Block formats that encode_row does not know get random blocks with small
/// scales.
inline Tensor random_weight(std::mt19937& random, DType dtype, std::int64_t n, std::int64_t k) {
  Tensor weight(dtype, {n, k});
  std::normal_distribution<float> normal(0, 0.5f);
  const std::int64_t bytes = row_bytes(dtype, k);
  std::vector<float> row(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < n; ++i) {
    auto* stored = weight.as<std::uint8_t>() + i * bytes;
    if (is_coded(dtype)) {
      random_coded_row(random, info(dtype), k, stored);
      continue;
    }
    if (dtype != DType::q4_k && dtype != DType::q5_k && dtype != DType::q6_k) {
      for (float& v : row) v = normal(random);
      encode_row(dtype, row, stored);
      continue;
    }
    for (std::int64_t j = 0; j < bytes; ++j) stored[j] = static_cast<std::uint8_t>(random());
    auto put_half = [&](std::uint8_t* at) {
      const std::uint16_t half = f32_to_f16(normal(random) * 0.01f);
      std::memcpy(at, &half, 2);
    };
    for (std::int64_t block = 0; block < k / 256; ++block) {
      std::uint8_t* start = stored + block * info(dtype).block_bytes;
      put_half(dtype == DType::q6_k ? start + 208 : start);
      if (dtype != DType::q6_k) put_half(start + 2);
    }
  }
  return weight;
}

/// A multiple of the block of `dtype`, at most `most` where that is possible.
inline std::int64_t random_columns(std::mt19937& random, DType dtype, std::int64_t most) {
  const std::int64_t block = info(dtype).block_elements;
  return block * (1 + static_cast<std::int64_t>(random() %
                                                static_cast<std::uint64_t>(std::max<std::int64_t>(1, most / block))));
}

}  // namespace cairn::testing
