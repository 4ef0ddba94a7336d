#include "ops/attention/write_kv_kernels.h"

#include "backends/cpu/vec.h"

namespace cairn::CAIRN_ISA {
namespace {

template <typename T>
CAIRN_INLINE void scatter_k(const T* row, T* group, std::int64_t token, std::int64_t head_dim) {
  for (std::int64_t d = 0; d < head_dim; d += 2) __builtin_memcpy(group + k_in_group(token, d), row + d, 2 * sizeof(T));
}

template <typename T>
CAIRN_INLINE void scatter_v(const T* row, T* group, std::int64_t token, std::int64_t head_dim) {
  T* out = group + v_in_group(token, 0, head_dim);
  for (std::int64_t d = 0; d < head_dim; ++d) out[2 * d] = row[d];
}

CAIRN_INLINE void round_row(const float* row, std::uint16_t* rounded, std::int64_t head_dim) {
  for (std::int64_t d = 0; d < head_dim; d += 16) store_bf16(rounded + d, load(row + d));
}

void write_k(const float* row, void* group, bool bf16, std::int64_t token, std::int64_t head_dim) {
  if (!bf16) return scatter_k(row, static_cast<float*>(group), token, head_dim);
  std::uint16_t rounded[kMaxHeadDim];
  round_row(row, rounded, head_dim);
  scatter_k(rounded, static_cast<std::uint16_t*>(group), token, head_dim);
}

void write_v(const float* row, void* group, bool bf16, std::int64_t token, std::int64_t head_dim) {
  if (!bf16) return scatter_v(row, static_cast<float*>(group), token, head_dim);
  std::uint16_t rounded[kMaxHeadDim];
  round_row(row, rounded, head_dim);
  scatter_v(rounded, static_cast<std::uint16_t*>(group), token, head_dim);
}

}  // namespace

extern const WriteKvTable kWriteKvTable;
const WriteKvTable kWriteKvTable = {write_k, write_v};

}  // namespace cairn::CAIRN_ISA
