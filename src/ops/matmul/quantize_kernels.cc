#include "backends/cpu/vec.h"
#include "ops/matmul/matmul_kernels.h"

namespace cairn::CAIRN_ISA {
namespace {

// A block of 32: amax / 127, round to nearest even. A block with a nan or an infinity has a nan scale, so that every
// output that it enters is nan; a block of denormals only is zero.
CAIRN_INLINE void quantize_block(const float* x, std::int8_t* q, float* scale, float* scaled_sum,
                                 std::int32_t* negative_sums) {
  const Vf low = load(x), high = load(x + 16);
  const float amax = reduce_max(max(abs(low), abs(high)));
  const Vf difference = (low - low) + (high - high);  // 0, or nan where an element is not finite
  const bool finite = reduce_add(difference) == 0.0f;
  const bool zeros = !(amax >= 0x1p-120f);  // 127 / amax stays finite
  const Vf inverse = set1(zeros || !finite ? 0.0f : 127.0f / amax);
  const Vi quant_low = to_int(low * inverse), quant_high = to_int(high * inverse);
  if (__builtin_expect(!finite, 0)) {
    for (int i = 0; i < 32; ++i) q[i] = 0;
    *scale = *scaled_sum = __builtin_nanf("");
    negative_sums[0] = negative_sums[1] = 0;
    return;
  }
  store_i8(q, quant_low);
  store_i8(q + 16, quant_high);
  const float sum_low = reduce_add(to_float(quant_low)), sum_high = reduce_add(to_float(quant_high));  // exact
  *scale = zeros ? 0.0f : amax / 127.0f;
  *scaled_sum = *scale * (sum_low + sum_high);
  negative_sums[0] = -static_cast<std::int32_t>(sum_low);
  negative_sums[1] = -static_cast<std::int32_t>(sum_high);
}

void to_a8(const QuantizeArgs& args, std::int64_t row_begin, std::int64_t row_end) {
  const std::int64_t blocks = args.k / 32;
  for (std::int64_t r = row_begin; r < row_end; ++r) {
    const auto* x = reinterpret_cast<const float*>(args.x + r * args.x_stride);
    auto* q = reinterpret_cast<std::int8_t*>(args.out + r * args.out_stride);
    auto* scales = reinterpret_cast<float*>(q + args.k);
    float* scaled_sums = scales + blocks;
    auto* sums = reinterpret_cast<std::int32_t*>(scaled_sums + blocks);
    for (std::int64_t b = 0; b < blocks; ++b)
      quantize_block(x + 32 * b, q + 32 * b, scales + b, scaled_sums + b, sums + 2 * b);
  }
}

void to_bf16(const QuantizeArgs& args, std::int64_t row_begin, std::int64_t row_end) {
  for (std::int64_t r = row_begin; r < row_end; ++r) {
    const auto* x = reinterpret_cast<const float*>(args.x + r * args.x_stride);
    auto* out = reinterpret_cast<std::uint16_t*>(args.out + r * args.out_stride);
    std::int64_t i = 0;
    for (; i + 16 <= args.k; i += 16) store_bf16(out + i, load(x + i));
    if (i == args.k) continue;
    std::uint16_t tail[16];
    store_bf16(tail, load_n(x + i, args.k - i));
    __builtin_memcpy(out + i, tail, static_cast<std::size_t>(args.k - i) * sizeof(tail[0]));
  }
}

}  // namespace

extern const QuantizeTable kQuantizeTable;
const QuantizeTable kQuantizeTable = {to_a8, to_bf16};

}  // namespace cairn::CAIRN_ISA
