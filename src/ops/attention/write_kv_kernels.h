// Kernel table that writes keys and values into the paged cache; one instance an instruction set.
#pragma once

#include <cstdint>

#include "ops/attention/kv_layout.h"

namespace cairn {

inline constexpr std::int64_t kMaxHeadDim = 512;

enum class Kv : std::uint8_t { key, value };

struct WriteKvTable {
  /// [type][Kv]: one token's row [head_dim], rounded to the type, into its group of 16 tokens; `token` is its place in
  /// the group.
  void (*write[kKvTypes][2])(const float* row, void* group, std::int64_t token, std::int64_t head_dim);
};

}  // namespace cairn
