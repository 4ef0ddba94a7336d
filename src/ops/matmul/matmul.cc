#include "ops/matmul/matmul.h"

#include <algorithm>

#include "base/error.h"
#include "ops/matmul/matmul_kernel.h"
#include "ops/matmul/packed_weight.h"
#include "ops/matmul/reference.h"

namespace cairn {
namespace {

// The format of the same panels beside bf16 activations; itself where there is none.
PanelFormat dot_format(PanelFormat format) {
  return format == PanelFormat::bf16 ? PanelFormat::bf16_dot : format == PanelFormat::f8 ? PanelFormat::f8_dot : format;
}

struct Inputs {
  std::size_t weights;
  bool bias, residual;
};

Inputs inputs_of(std::size_t count, const Attributes& attributes) {
  const bool bias = attributes.get_or<std::int64_t>("bias", 0),
             residual = attributes.get_or<std::int64_t>("residual", 0);
  const std::size_t others = std::size_t{1} + bias + residual;
  return {count > others ? count - others : 0, bias, residual};
}

// Checks weight `i` against x and returns its outputs.
std::int64_t check_weight(const InferContext& context, std::size_t i) {
  const ValueType &x = context.inputs[0], &weight = context.inputs[i];
  expect_rank("MatMul", context, i, 2);
  const PanelFormat format = panel_format(weight.dtype);  // throws for what is no weight
  if (weight.shape[0].is_symbol() || weight.shape[1].is_symbol())
    fail_invalid("MatMul: the shape of weight {} must be constant", to_string(weight));
  expect_same_dim("MatMul", x.shape[1], weight.shape[1], "the columns of x and of weight " + to_string(weight));
  packed_bytes(weight.dtype, weight.shape[0].value, weight.shape[1].value);  // throws for sizes that no weight has
  if (weight.layout == Layout::strided) {
    expect_dtype("MatMul", context, 0, {DType::f32});
  } else {
    const bool fits = takes_int8(format)
                          ? x.dtype == DType::a8 || x.dtype == DType::a8x2
                          : x.dtype == DType::f32 || (x.dtype == DType::bf16 && dot_format(format) != format);
    if (!fits) fail_invalid("MatMul: a weight {} does not take activations {}", to_string(weight), to_string(x));
  }
  return weight.shape[0].value;
}

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("MatMul", context, 2, 64);
  expect_rank("MatMul", context, 0, 2);
  const Inputs inputs = inputs_of(context.inputs.size(), context.attributes);
  if (inputs.weights == 0)
    fail_invalid("MatMul: {} inputs leave no weight beside the bias and the residual", context.inputs.size());
  std::int64_t n = 0;
  for (std::size_t i = 1; i <= inputs.weights; ++i) n += check_weight(context, i);
  ValueType out = {DType::f32, {context.inputs[0].shape[0], n}};
  if (inputs.bias) {
    expect_rank("MatMul", context, inputs.weights + 1, 1);
    expect_dtype("MatMul", context, inputs.weights + 1, {DType::f32});
    expect_same_dim("MatMul", context.inputs[inputs.weights + 1].shape[0], n, "the bias and the outputs");
  }
  if (inputs.residual) {
    const std::size_t last = context.inputs.size() - 1;
    expect_rank("MatMul", context, last, 2);
    expect_dtype("MatMul", context, last, {DType::f32});
    for (std::size_t d : {0, 1})
      expect_same_dim("MatMul", context.inputs[last].shape[d], out.shape[d],
                      "the shapes of the residual and the outputs");
  }
  return {out};
}

std::unique_ptr<Kernel> prepare(const PrepareContext& context) {
  const Inputs inputs = inputs_of(context.inputs.size(), context.attributes);
  MatMulConfig config = {context.isa, {}, inputs.bias, inputs.residual, context.inputs[0].dtype == DType::a8x2 ? 2 : 1};
  const DType activation = context.inputs[0].dtype;
  for (const ValueType& weight : context.inputs.subspan(1, inputs.weights)) {
    if (weight.layout != Layout::panel16)
      fail(ErrorKind::unsupported, "MatMul: no kernel for a weight {} that is not packed; the prepack pass packs it",
           to_string(weight));
    const PanelFormat format = panel_format(weight.dtype);
    config.formats.push_back(activation == DType::bf16 ? dot_format(format) : format);
  }
  return make_matmul_kernel(std::move(config));
}

Cost cost(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) {
  Cost cost = bytes_of(inputs, outputs);
  const DType activation = inputs[0].dtype;
  cost.operations = 2.0 * static_cast<double>(outputs[0].shape.elements()) * static_cast<double>(inputs[0].dim(1));
  if (activation == DType::a8 || activation == DType::a8x2) cost.arithmetic = Arithmetic::int8;
  if (activation == DType::bf16) cost.arithmetic = Arithmetic::bf16;
  return cost;
}

}  // namespace

DType activation_dtype(DType weight, Isa isa, bool precise) {
  const PanelFormat format = panel_format(weight);
  if (takes_int8(format)) return precise ? DType::a8x2 : DType::a8;
  return dot_format(format) != format && isa == Isa::avx512_bf16 ? DType::bf16 : DType::f32;
}

const Operator kMatMul = {
    .name = "MatMul",
    .doc =
        "x [T, K], weights [N_i, K], optional bias [N], residual [T, N] -> x times the weights transposed, side by "
        "side [T, N] f32",
    .infer = infer,
    .prepare = prepare,
    .reference = matmul_ref,
    .cost = cost,
};

}  // namespace cairn
