#include "ops/activation/activation_kernels.h"

#include "backends/cpu/vec.h"

namespace cairn::CAIRN_ISA {
namespace {

CAIRN_INLINE Vf silu(Vf x) { return x / (set1(1.0f) + exp(zero() - x)); }

void swiglu(const float* gate, const float* up, float* out, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, silu(load(gate + i)) * load(up + i));
  if (i < n) store_n(out + i, silu(load_n(gate + i, n - i)) * load_n(up + i, n - i), n - i);
}

}  // namespace

extern const ActivationTable kActivationTable;
const ActivationTable kActivationTable = {swiglu};

}  // namespace cairn::CAIRN_ISA
