#include "backends/cpu/vec.h"
#include "ops/matmul/matmul_kernels.h"

namespace cairn::CAIRN_ISA {
namespace {

// One row of a8 (tensor/dtype.h), from some block on.
struct Row {
  std::int8_t* quants;
  float* scales;
  float* scaled_sums;
  std::int32_t* negative_sums;
};

CAIRN_INLINE Row row_at(std::uint8_t* plane, std::int64_t k, std::int64_t block) {
  auto* scales = reinterpret_cast<float*>(plane + k);
  return {reinterpret_cast<std::int8_t*>(plane) + 32 * block, scales + block, scales + k / 32 + block,
          reinterpret_cast<std::int32_t*>(scales + 2 * (k / 32)) + 2 * block};
}

// A block of 32: amax / 127, round to nearest even. A block of denormals only is zero. low and high become what that
// leaves over.
CAIRN_INLINE void quantize_block(Vf& low, Vf& high, const Row& row, std::int64_t b) {
  const float amax = reduce_max(max(abs(low), abs(high)));
  const bool zeros = !(amax >= 0x1p-120f);  // 127 / amax stays finite
  const Vf inverse = set1(zeros ? 0.0f : 127.0f / amax);
  const Vi low_quants = to_int(low * inverse), high_quants = to_int(high * inverse);
  const float scale = zeros ? 0.0f : amax * (1.0f / 127.0f);
  store_i8(row.quants + 32 * b, low_quants);
  store_i8(row.quants + 32 * b + 16, high_quants);
  row.scales[b] = scale;
  low = low - set1(scale) * to_float(low_quants);
  high = high - set1(scale) * to_float(high_quants);
}

// A block with a nan or an infinity has a nan scale, so that every output that it enters is nan.
void mark_blocks_that_are_not_finite(const float* x, std::int64_t blocks, const Row& row) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    const Vf low = load(x + 32 * b), high = load(x + 32 * b + 16);
    if (reduce_add((low - low) + (high - high)) == 0.0f) continue;
    for (int i = 0; i < 32; ++i) row.quants[32 * b + i] = 0;
    row.scales[b] = __builtin_nanf("");
  }
}

CAIRN_INLINE void sum_block(const std::int32_t* fours, const Row& row, std::int64_t b) {
  const std::int32_t low = (fours[0] + fours[1]) + (fours[2] + fours[3]),
                     high = (fours[4] + fours[5]) + (fours[6] + fours[7]);
  row.negative_sums[2 * b] = -low;
  row.negative_sums[2 * b + 1] = -high;
  row.scaled_sums[b] = row.scales[b] * static_cast<float>(low + high);
}

// Two blocks are one vector of bytes, whose products with 1 are summed by fours.
void sum_blocks(std::int64_t blocks, const Row& row) {
  std::int32_t fours[kLanes];
  for (std::int64_t b = 0; b + 2 <= blocks; b += 2) {
    istore(fours, dot_u7i8(izero(), bset1(1), bload(row.quants + 32 * b)));
    sum_block(fours, row, b);
    sum_block(fours + 8, row, b + 1);
  }
  if (blocks % 2 == 0) return;
  std::int8_t last[64] = {};
  __builtin_memcpy(last, row.quants + 32 * (blocks - 1), 32);
  istore(fours, dot_u7i8(izero(), bset1(1), bload(last)));
  sum_block(fours, row, blocks - 1);
}

// kPlanes a8 rows a row: of the values, then of what is left over.
template <int kPlanes>
void to_a8(const QuantizeArgs& args, std::int64_t row_begin, std::int64_t row_end) {
  const std::int64_t blocks = args.columns / 32, plane_bytes = args.k + args.k / 32 * 16;
  for (std::int64_t r = row_begin; r < row_end; ++r) {
    const auto* x = reinterpret_cast<const float*>(args.x + r * args.x_stride);
    Row planes[kPlanes];
    for (int i = 0; i < kPlanes; ++i)
      planes[i] = row_at(args.out + r * args.out_stride + i * plane_bytes, args.k, args.first / 32);
    Vf difference = zero();  // stays 0, or becomes nan where an element is not finite
    for (std::int64_t b = 0; b < blocks; ++b) {
      Vf low = load(x + 32 * b), high = load(x + 32 * b + 16);
      difference = difference + ((low - low) + (high - high));
      for (const Row& plane : planes) quantize_block(low, high, plane, b);
    }
    const bool finite = __builtin_expect(reduce_add(difference) == 0.0f, 1);
    for (const Row& plane : planes) {
      if (!finite) mark_blocks_that_are_not_finite(x, blocks, plane);
      sum_blocks(blocks, plane);
    }
  }
}

void to_bf16(const QuantizeArgs& args, std::int64_t row_begin, std::int64_t row_end) {
  for (std::int64_t r = row_begin; r < row_end; ++r) {
    const auto* x = reinterpret_cast<const float*>(args.x + r * args.x_stride);
    auto* out = reinterpret_cast<std::uint16_t*>(args.out + r * args.out_stride) + args.first;
    std::int64_t i = 0;
    for (; i + 16 <= args.columns; i += 16) store_bf16(out + i, load(x + i));
    if (i == args.columns) continue;
    std::uint16_t tail[16];
    store_bf16(tail, load_n(x + i, args.columns - i));
    __builtin_memcpy(out + i, tail, static_cast<std::size_t>(args.columns - i) * sizeof(tail[0]));
  }
}

}  // namespace

extern const QuantizeTable kQuantizeTable;
const QuantizeTable kQuantizeTable = {to_a8<1>, to_a8<2>, to_bf16};

}  // namespace cairn::CAIRN_ISA
