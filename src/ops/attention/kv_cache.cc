#include "ops/attention/kv_cache.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "ops/attention/write_kv_kernels.h"

namespace cairn {

const KvFormat* find_kv_format(DType dtype) {
  static constexpr std::array<KvFormat, kKvTypes> table = {{
      {DType::f32, KvType::f32, false, 0},
      {DType::f16, KvType::f16, false, 0},
      {DType::bf16, KvType::bf16, true, 0},
      {DType::i8, KvType::i8, true, 4},
      {DType::f8_e4m3, KvType::f8_e4m3, true, 0},
  }};
  const auto* found = std::find_if(table.begin(), table.end(), [&](const KvFormat& f) { return f.dtype == dtype; });
  return found == table.end() ? nullptr : found;
}

Shape kv_cache_shape(DType dtype, std::int64_t num_blocks, std::int64_t kv_heads, std::int64_t block_size,
                     std::int64_t head_dim) {
  return {num_blocks, kv_heads, block_size, head_dim + find_kv_format(dtype)->scale_elements};
}

std::int64_t check_caches(std::string_view op, const InferContext& context, std::size_t k) {
  for (std::size_t i : {k, k + 1}) {
    expect_rank(op, context, i, 4);
    expect_dtype(op, context, i, {DType::bf16, DType::f32, DType::f16, DType::i8, DType::f8_e4m3});
  }
  const ValueType& cache = context.inputs[k];
  if (cache.dtype != context.inputs[k + 1].dtype || cache.shape != context.inputs[k + 1].shape)
    fail_invalid("{}: the caches differ: {} and {}", op, to_string(cache), to_string(context.inputs[k + 1]));
  for (const Dim& dim : cache.shape)
    if (dim.is_symbol()) fail_invalid("{}: the cache {} must have constant dimensions", op, to_string(cache));
  if (cache.shape[2].value < kKvGroup || cache.shape[2].value % kKvGroup != 0)
    fail_invalid("{}: block size {} must be a multiple of {}", op, cache.shape[2].value, kKvGroup);
  const std::int64_t head_dim = kv_head_dim(cache.dtype, cache.shape[3].value);
  if (head_dim < 16 || head_dim % 16 != 0 || head_dim > kMaxHeadDim)
    fail(ErrorKind::unsupported, "{}: head dimension {} is not supported; it must be a multiple of 16 up to {}", op,
         head_dim, kMaxHeadDim);
  return head_dim;
}

}  // namespace cairn
