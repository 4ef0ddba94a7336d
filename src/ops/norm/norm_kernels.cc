#include "ops/norm/norm_kernels.h"

#include "backends/cpu/vec.h"

namespace cairn::CAIRN_ISA {
namespace {

struct F32Weight {
  using Stored = float;
  CAIRN_INLINE Vf load16(const float* p) { return load(p); }
};
struct Bf16Weight {
  using Stored = std::uint16_t;
  CAIRN_INLINE Vf load16(const std::uint16_t* p) { return load_bf16(p); }
};
struct F16Weight {
  using Stored = std::uint16_t;
  CAIRN_INLINE Vf load16(const std::uint16_t* p) { return load_f16(p); }
};

// Sum of squares in four chains; the order depends on the length alone.
CAIRN_INLINE float sum_of_squares(const float* x, std::int64_t n) {
  Vf a = zero(), b = zero(), c = zero(), d = zero();
  std::int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    Vf x0 = load(x + i), x1 = load(x + i + 16), x2 = load(x + i + 32), x3 = load(x + i + 48);
    a = fma(x0, x0, a), b = fma(x1, x1, b), c = fma(x2, x2, c), d = fma(x3, x3, d);
  }
  for (; i + 16 <= n; i += 16) {
    Vf x0 = load(x + i);
    a = fma(x0, x0, a);
  }
  if (i < n) {
    Vf x0 = load_n(x + i, n - i);
    b = fma(x0, x0, b);
  }
  return reduce_add((a + b) + (c + d));
}

template <typename Weight>
void norm_row(const float* x, const typename Weight::Stored* weight, float* y, std::int64_t n, float eps) {
  const float mean = sum_of_squares(x, n) / static_cast<float>(n);
  const Vf scale = set1(1.0f / __builtin_sqrtf(mean + eps));
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(y + i, load(x + i) * scale * Weight::load16(weight + i));
  if (i == n) return;
  typename Weight::Stored tail[16] = {};
  for (std::int64_t j = i; j < n; ++j) __builtin_memcpy(&tail[j - i], weight + j, sizeof(tail[0]));
  store_n(y + i, load_n(x + i, n - i) * scale * Weight::load16(tail), n - i);
}

void add_row(const float* x, const float* residual, float* sum, std::int64_t n) {
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) store(sum + i, load(x + i) + load(residual + i));
  if (i < n) store_n(sum + i, load_n(x + i, n - i) + load_n(residual + i, n - i), n - i);
}

template <typename Weight>
void norm_rows(const NormArgs& args, std::int64_t begin, std::int64_t end) {
  const auto* weight = static_cast<const typename Weight::Stored*>(args.weight);
  for (std::int64_t i = begin; i < end; ++i) {
    const float* x = args.x.row(i);
    if (args.residual.data) {
      add_row(x, args.residual.row(i), args.sum.row(i), args.x.columns);
      x = args.sum.row(i);
    }
    norm_row<Weight>(x, weight, args.normed.row(i), args.x.columns, args.eps);
  }
}

void rms_norm(const NormArgs& args, std::int64_t begin, std::int64_t end) {
  if (args.weight_type == NormWeight::bf16) return norm_rows<Bf16Weight>(args, begin, end);
  if (args.weight_type == NormWeight::f16) return norm_rows<F16Weight>(args, begin, end);
  norm_rows<F32Weight>(args, begin, end);
}

}  // namespace

extern const NormTable kNormTable;
const NormTable kNormTable = {rms_norm};

}  // namespace cairn::CAIRN_ISA
