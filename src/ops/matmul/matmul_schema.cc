#include "ops/matmul/matmul_schema.h"

#include "base/error.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/packed_weight.h"

namespace cairn {
namespace {

// The format of the same panels beside bf16 activations; itself where there is none.
PanelFormat dot_format(PanelFormat format) {
  return format == PanelFormat::bf16 ? PanelFormat::bf16_dot : format == PanelFormat::f8 ? PanelFormat::f8_dot : format;
}

}  // namespace

std::int64_t check_weight(std::string_view op, const InferContext& context, std::size_t i) {
  const ValueType &x = context.inputs[0], &weight = context.inputs[i];
  expect_rank(op, context, i, 2);
  const PanelFormat format = panel_format(weight.dtype);  // throws for what is no weight
  if (weight.shape[0].is_symbol() || weight.shape[1].is_symbol())
    fail_invalid("{}: the shape of weight {} must be constant", op, to_string(weight));
  expect_same_dim(op, x.shape[1], weight.shape[1], "the columns of x and of weight " + to_string(weight));
  packed_bytes(weight.dtype, weight.shape[0].value, weight.shape[1].value);  // throws for sizes that no weight has
  if (weight.layout == Layout::strided) {
    expect_dtype(op, context, 0, {DType::f32});
  } else {
    const bool fits = takes_int8(format)
                          ? x.dtype == DType::a8 || x.dtype == DType::a8x2
                          : x.dtype == DType::f32 || (x.dtype == DType::bf16 && dot_format(format) != format);
    if (!fits) fail_invalid("{}: a weight {} does not take activations {}", op, to_string(weight), to_string(x));
  }
  return weight.shape[0].value;
}

MatMulConfig matmul_config(std::string_view op, const PrepareContext& context, std::span<const ValueType> weights,
                           std::size_t side_by_side) {
  const DType activation = context.inputs[0].dtype;
  MatMulConfig config;
  config.isa = context.isa;
  config.planes = activation == DType::a8x2 ? 2 : 1;
  std::int64_t column = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const ValueType& weight = weights[i];
    if (weight.layout != Layout::panel16)
      fail(ErrorKind::unsupported, "{}: no kernel for a weight {} that is not packed; the prepack pass packs it", op,
           to_string(weight));
    if (i % side_by_side == 0) column = 0;
    const PanelFormat format = panel_format(weight.dtype);
    config.weights.push_back({activation == DType::bf16 ? dot_format(format) : format, column});
    column += weight.shape[0].value;
  }
  return config;
}

void count_products(Cost& cost, const TensorView& x, const TensorView& out) {
  cost.operations = 2.0 * static_cast<double>(out.shape.elements()) * static_cast<double>(x.dim(1));
  if (x.dtype == DType::a8 || x.dtype == DType::a8x2) cost.arithmetic = Arithmetic::int8;
  if (x.dtype == DType::bf16) cost.arithmetic = Arithmetic::bf16;
}

DType activation_dtype(DType weight, Isa isa, bool precise) {
  const PanelFormat format = panel_format(weight);
  if (takes_int8(format)) return precise ? DType::a8x2 : DType::a8;
  return dot_format(format) != format && isa == Isa::avx512_bf16 ? DType::bf16 : DType::f32;
}

}  // namespace cairn
