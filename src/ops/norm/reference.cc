#include "ops/norm/reference.h"

#include <cmath>
#include <vector>

#include "ops/core/rows.h"
#include "ops/matmul/quantize_activation.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

std::vector<float> weight_values(const TensorView& weight) {
  std::vector<float> values(static_cast<std::size_t>(weight.dim(0)));
  decode_row(weight.dtype, weight.data, values);
  return values;
}

void norm_row(const float* x, const std::vector<float>& weight, float eps, float* y) {
  float sum = 0;
  for (std::size_t i = 0; i < weight.size(); ++i) sum += x[i] * x[i];
  float scale = 1.0f / std::sqrt(sum / static_cast<float>(weight.size()) + eps);
  for (std::size_t i = 0; i < weight.size(); ++i) y[i] = x[i] * scale * weight[i];
}

}  // namespace

void rms_norm_ref(std::span<const TensorView> inputs, std::span<const TensorView> all_outputs,
                  const Attributes& attributes) {
  convert_after(all_outputs, [&](std::span<const TensorView> outputs) {
    Rows<const float> x = rows_of<const float>(inputs[0]);
    Rows<float> y = rows_of<float>(outputs[0]);
    std::vector<float> weight = weight_values(inputs[1]);
    auto eps = static_cast<float>(attributes.get<double>("eps"));
    for (std::int64_t i = 0; i < x.count; ++i) norm_row(x.row(i), weight, eps, y.row(i));
  });
}

void add_rms_norm_ref(std::span<const TensorView> inputs, std::span<const TensorView> all_outputs,
                      const Attributes& attributes) {
  convert_after(all_outputs, [&](std::span<const TensorView> outputs) {
    Rows<const float> x = rows_of<const float>(inputs[0]), residual = rows_of<const float>(inputs[1]);
    Rows<float> normed = rows_of<float>(outputs[0]), sum = rows_of<float>(outputs[1]);
    std::vector<float> weight = weight_values(inputs[2]);
    auto eps = static_cast<float>(attributes.get<double>("eps"));
    for (std::int64_t i = 0; i < x.count; ++i) {
      for (std::int64_t j = 0; j < x.columns; ++j) sum.row(i)[j] = x.row(i)[j] + residual.row(i)[j];
      norm_row(sum.row(i), weight, eps, normed.row(i));
    }
  });
}

}  // namespace cairn
