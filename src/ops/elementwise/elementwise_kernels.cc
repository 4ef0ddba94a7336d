#include "ops/elementwise/elementwise_kernels.h"

#include "backends/cpu/vec.h"

namespace cairn::CAIRN_ISA {
namespace {

void add_f32(const float* a, const float* b, float* out, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, load(a + i) + load(b + i));
  if (i < n) store_n(out + i, load_n(a + i, n - i) + load_n(b + i, n - i), n - i);
}

template <bool kHalf>
void add_16(const float* a, const std::uint16_t* b, float* out, std::int64_t n) {
  auto load16 = [](const std::uint16_t* p) { return kHalf ? load_f16(p) : load_bf16(p); };
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, load(a + i) + load16(b + i));
  if (i == n) return;
  std::uint16_t tail[16] = {};
  __builtin_memcpy(tail, b + i, static_cast<std::size_t>(n - i) * sizeof(tail[0]));
  store_n(out + i, load_n(a + i, n - i) + load16(tail), n - i);
}

void add(const float* a, const void* b, AddendType type, float* out, std::int64_t n) {
  if (type == AddendType::f32) return add_f32(a, static_cast<const float*>(b), out, n);
  if (type == AddendType::f16) return add_16<true>(a, static_cast<const std::uint16_t*>(b), out, n);
  add_16<false>(a, static_cast<const std::uint16_t*>(b), out, n);
}

}  // namespace

extern const ElementwiseTable kElementwiseTable;
const ElementwiseTable kElementwiseTable = {add};

}  // namespace cairn::CAIRN_ISA
