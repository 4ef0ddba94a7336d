// Writes rows of keys and values to where a slot lies in a paged cache (kv_layout.h).
#pragma once

#include "backends/cpu/isa.h"
#include "ops/attention/write_kv_kernels.h"
#include "tensor/view.h"

namespace cairn {

class KvRowWriter {
 public:
  explicit KvRowWriter(Isa isa);
  /// One token's row f32 [D] of `head` to slot `slot` of `cache` (kv_cache_shape), rounded to its type.
  /// Slots outside the cache are skipped.
  void write(Kv which, const float* row, const TensorView& cache, std::int64_t head, std::int64_t slot) const noexcept;

 private:
  const WriteKvTable& table_;
};

}  // namespace cairn
