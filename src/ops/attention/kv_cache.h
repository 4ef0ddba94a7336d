// The dtypes of a paged KV cache, and cache tensors as the operators see them.
#pragma once

#include <string_view>

#include "ops/attention/kv_layout.h"
#include "ops/core/operator.h"

namespace cairn {

/// A dtype that a cache may have.
struct KvFormat {
  DType dtype;
  KvType type;
  bool pairs;                   // the order inside an operand
  std::int64_t scale_elements;  // a token's scale, in elements
};

/// The table entry of `dtype`, or null for a dtype that caches do not have.
const KvFormat* find_kv_format(DType dtype);

/// The shape of a cache tensor: [num_blocks, kv_heads, block_size, head_dim + scale_elements].
Shape kv_cache_shape(DType dtype, std::int64_t num_blocks, std::int64_t kv_heads, std::int64_t block_size,
                     std::int64_t head_dim);

/// head_dim of a cache whose last dimension is `elements`.
inline std::int64_t kv_head_dim(DType dtype, std::int64_t elements) {
  return elements - find_kv_format(dtype)->scale_elements;
}

/// Start of the group of 16 tokens of `head` that holds `token` (0 .. block_size - 1) of `block`.
inline std::byte* kv_group(const TensorView& cache, std::int64_t block, std::int64_t head, std::int64_t token) {
  const std::int64_t tokens = (block * cache.dim(1) + head) * cache.dim(2) + token / kKvGroup * kKvGroup;
  return cache.data + row_bytes(cache.dtype, tokens * cache.dim(3));
}

/// Schema check: inputs `k` and `k + 1` are caches of one type with supported sizes. Throws invalid_argument, or
/// unsupported for a dtype or a head dimension that the kernels do not take. Returns the head dimension.
std::int64_t check_caches(std::string_view op, const InferContext& context, std::size_t k);

}  // namespace cairn
