#include "ops/matmul/matmul.h"

#include <algorithm>

#include "base/error.h"
#include "ops/matmul/matmul_kernel.h"
#include "ops/matmul/matmul_schema.h"
#include "ops/matmul/reference.h"

namespace cairn {
namespace {

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

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("MatMul", context, 2, 64);
  expect_rank("MatMul", context, 0, 2);
  const Inputs inputs = inputs_of(context.inputs.size(), context.attributes);
  if (inputs.weights == 0)
    fail_invalid("MatMul: {} inputs leave no weight beside the bias and the residual", context.inputs.size());
  std::int64_t n = 0;
  for (std::size_t i = 1; i <= inputs.weights; ++i) n += check_weight("MatMul", context, i);
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
  MatMulConfig config = matmul_config("MatMul", context, context.inputs.subspan(1, inputs.weights), inputs.weights);
  config.bias = inputs.bias, config.residual = inputs.residual;
  return make_matmul_kernel(std::move(config));
}

Cost cost(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) {
  Cost cost = bytes_of(inputs, outputs);
  count_products(cost, inputs[0], outputs[0]);
  return cost;
}

}  // namespace

const Operator kMatMul = {
    .name = "MatMul",
    .doc =
        "x [T, K], weights [N_i, K], optional bias [N], residual [T, N] -> x times the weights transposed, side by "
        "side [T, N] f32",
    .infer = infer,
    .prepare = prepare,
    .reference = matmul_ref,
    .cost = cost,
    .packs_weights = true,
};

}  // namespace cairn
