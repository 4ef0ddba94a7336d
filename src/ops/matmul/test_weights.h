// For tests: random weights of every stored format.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "tensor/float_formats.h"
#include "tensor/view.h"

namespace cairn::testing {

inline constexpr DType kWeightTypes[] = {DType::f32,  DType::f16,  DType::bf16, DType::q8_0, DType::q4_0,
                                         DType::q4_1, DType::q4_k, DType::q5_k, DType::q6_k};

/// A stored weight [n, k] in row-major rows. Block formats that encode_row does not know get random blocks with small
/// scales.
inline Tensor random_weight(std::mt19937& random, DType dtype, std::int64_t n, std::int64_t k) {
  Tensor weight(dtype, {n, k});
  std::normal_distribution<float> normal(0, 0.5f);
  const std::int64_t bytes = row_bytes(dtype, k);
  std::vector<float> row(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < n; ++i) {
    auto* stored = weight.as<std::uint8_t>() + i * bytes;
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
