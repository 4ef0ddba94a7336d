// Kernel table that writes keys and values into the paged cache; one instance an instruction set.
#pragma once

#include <cstdint>

#include "ops/attention/kv_layout.h"

namespace cairn {

inline constexpr std::int64_t kMaxHeadDim = 512;

struct WriteKvTable {
  /// One token's row [head_dim] into its group of 16 tokens; `token` is its place in the group.
  void (*write_k)(const float* row, void* group, bool bf16, std::int64_t token, std::int64_t head_dim);
  void (*write_v)(const float* row, void* group, bool bf16, std::int64_t token, std::int64_t head_dim);
};

}  // namespace cairn
