#include "ops/matmul/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/matmul/packed_weight.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

void weight_row(const TensorView& weight, std::int64_t n, std::span<float> out) {
  if (weight.layout == Layout::panel16) return unpack_row(weight, n, out);
  if (weight.source) {
    std::vector<std::byte> row(static_cast<std::size_t>(row_bytes(weight.dtype, weight.dim(1))));
    weight.source->read(n, 1, row.data());
    return decode_row(weight.dtype, row.data(), out);
  }
  decode_row(weight.dtype, weight.data + row_bytes(weight.dtype, weight.strides[0]) * n, out);
}

// A block of 32 values to a8 (tensor/dtype.h).
void quantize_block(const float* x, std::int8_t* q, float& scale, float& scaled_sum, std::int32_t* negative_sums) {
  float amax = 0;
  bool finite = true;
  for (int i = 0; i < 32; ++i) {
    amax = std::max(amax, std::abs(x[i]));
    finite = finite && std::isfinite(x[i]);
  }
  const bool zeros = amax < 0x1p-120f || !finite;
  const float inverse = zeros ? 0.0f : 127.0f / amax;
  std::int32_t sums[2] = {0, 0};
  for (int i = 0; i < 32; ++i) {
    q[i] = static_cast<std::int8_t>(zeros ? 0.0f : std::nearbyint(x[i] * inverse));
    sums[i / 16] += q[i];
  }
  scale = !finite ? std::numeric_limits<float>::quiet_NaN() : zeros ? 0.0f : amax * (1.0f / 127.0f);
  scaled_sum = scale * static_cast<float>(sums[0] + sums[1]);
  negative_sums[0] = -sums[0];
  negative_sums[1] = -sums[1];
}

// An a8 row to f32.
void decode_plane(const std::byte* plane, std::span<float> out) {
  const auto* q = reinterpret_cast<const std::int8_t*>(plane);
  const auto* scales = reinterpret_cast<const float*>(q + out.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = scales[i / 32] * static_cast<float>(q[i]);
}

void quantize_plane(std::span<const float> x, std::byte* plane) {
  const std::size_t k = x.size();
  auto* q = reinterpret_cast<std::int8_t*>(plane);
  auto* scales = reinterpret_cast<float*>(q + k);
  auto* sums = reinterpret_cast<std::int32_t*>(scales + 2 * (k / 32));
  for (std::size_t b = 0; b < k / 32; ++b)
    quantize_block(x.data() + 32 * b, q + 32 * b, scales[b], scales[k / 32 + b], sums + 2 * b);
}

}  // namespace

void decode_activation(const TensorView& x, std::int64_t row, std::span<float> out) {
  const std::byte* data = x.data + row_bytes(x.dtype, x.strides[0]) * row;
  if (x.dtype != DType::a8 && x.dtype != DType::a8x2) return decode_row(x.dtype, data, out);
  const auto k = static_cast<std::int64_t>(out.size());
  decode_plane(data, out);
  if (x.dtype == DType::a8) return;
  std::vector<float> rest(out.size());
  decode_plane(data + row_bytes(DType::a8, k), rest);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += rest[i];
}

void matmul_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes) {
  const TensorView &x = inputs[0], &out = outputs[0];
  const bool has_bias = attributes.get_or<std::int64_t>("bias", 0),
             has_residual = attributes.get_or<std::int64_t>("residual", 0);
  const std::size_t weights = inputs.size() - 1 - has_bias - has_residual;
  const auto k = static_cast<std::size_t>(x.dim(1));
  std::vector<float> activations(static_cast<std::size_t>(x.dim(0)) * k), weight(k);
  for (std::int64_t t = 0; t < x.dim(0); ++t)
    decode_activation(x, t, std::span(activations).subspan(static_cast<std::size_t>(t) * k, k));
  std::int64_t column = 0;
  for (std::size_t i = 1; i <= weights; ++i) {
    for (std::int64_t n = 0; n < inputs[i].dim(0); ++n, ++column) {
      weight_row(inputs[i], n, weight);
      for (std::int64_t t = 0; t < x.dim(0); ++t) {
        double sum = 0;
        const float* a = activations.data() + static_cast<std::size_t>(t) * k;
        for (std::size_t j = 0; j < k; ++j) sum += static_cast<double>(a[j]) * weight[j];
        if (has_bias) sum += inputs[weights + 1].as<float>()[column];
        if (has_residual) sum += inputs.back().row<float>(t)[column];
        out.row<float>(t)[column] = static_cast<float>(sum);
      }
    }
  }
}

void quantize_activation_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                             const Attributes&) {
  const TensorView &x = inputs[0], &out = outputs[0];
  const auto k = static_cast<std::size_t>(x.dim(1));
  std::vector<float> rest(k);
  for (std::int64_t t = 0; t < x.dim(0); ++t) {
    const std::span<const float> row(x.row<float>(t), k);
    std::byte* to = out.data + row_bytes(out.dtype, out.strides[0]) * t;
    if (out.dtype == DType::bf16) {
      encode_row(out.dtype, row, to);
      continue;
    }
    quantize_plane(row, to);
    if (out.dtype == DType::a8) continue;
    decode_plane(to, rest);
    for (std::size_t i = 0; i < k; ++i) rest[i] = row[i] - rest[i];
    quantize_plane(rest, to + row_bytes(DType::a8, x.dim(1)));
  }
}

}  // namespace cairn
