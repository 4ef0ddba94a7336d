#include "ops/matmul/grouped_matmul.h"

#include <algorithm>

#include "base/error.h"
#include "ops/matmul/matmul_schema.h"
#include "ops/matmul/reference.h"

namespace cairn {
namespace {

constexpr std::size_t kMostInputs = 16384;

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("GroupedMatMul", context, 3, kMostInputs);
  expect_rank("GroupedMatMul", context, 0, 2);
  expect_rank("GroupedMatMul", context, 1, 1);
  expect_dtype("GroupedMatMul", context, 1, {DType::i32});
  const auto experts = context.attributes.get<std::int64_t>("experts");
  const auto weights = static_cast<std::int64_t>(context.inputs.size()) - 2;
  if (experts < 1 || weights % experts != 0)
    fail_invalid("GroupedMatMul: {} weights are not those of {} experts", weights, experts);
  expect_same_dim("GroupedMatMul", context.inputs[1].shape[0], experts + 1, "the offsets and the experts + 1");
  const auto each = static_cast<std::size_t>(weights / experts);
  std::int64_t n = 0;
  for (std::size_t i = 2; i < context.inputs.size(); ++i) {
    const std::int64_t outputs = check_weight("GroupedMatMul", context, i);
    if (i < 2 + each) n += outputs;
    expect_same_dim("GroupedMatMul", outputs, context.inputs[2 + (i - 2) % each].shape[0],
                    "the outputs of weights of different experts");
  }
  return {{DType::f32, {context.inputs[0].shape[0], n}}};
}

std::unique_ptr<Kernel> prepare(const PrepareContext& context) {
  const auto experts = context.attributes.get<std::int64_t>("experts");
  const auto weights = context.inputs.subspan(2);
  return make_grouped_matmul_kernel(
      matmul_config("GroupedMatMul", context, weights, weights.size() / static_cast<std::size_t>(experts)), experts);
}

void reference(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes) {
  const auto experts = attributes.get<std::int64_t>("experts");
  const auto each = (inputs.size() - 2) / static_cast<std::size_t>(experts);
  auto rows = [](TensorView view, Range range) {
    view.data += row_bytes(view.dtype, view.strides[0]) * range.begin;
    view.shape[0] = range.end - range.begin;
    return view;
  };
  for (std::int64_t e = 0; e < experts; ++e) {
    const Range tokens = tokens_of_expert(inputs[1], inputs[0].dim(0), e);
    std::vector<TensorView> of_expert = {rows(inputs[0], tokens)};
    for (std::size_t i = 0; i < each; ++i) of_expert.push_back(inputs[2 + static_cast<std::size_t>(e) * each + i]);
    const TensorView out = rows(outputs[0], tokens);
    matmul_ref(of_expert, {&out, 1}, {});
  }
}

// The weights of the experts that have tokens.
Cost cost(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes) {
  Cost cost = bytes_of(inputs.first(2), outputs);
  const auto experts = attributes.get<std::int64_t>("experts");
  const auto each = (inputs.size() - 2) / static_cast<std::size_t>(experts);
  for (std::size_t i = 2; i < inputs.size(); ++i) {
    const Range tokens = tokens_of_expert(inputs[1], inputs[0].dim(0), static_cast<std::int64_t>((i - 2) / each));
    if (tokens.begin < tokens.end) cost.bytes += bytes_of(inputs.subspan(i, 1), {}).bytes;
  }
  count_products(cost, inputs[0], outputs[0]);
  return cost;
}

}  // namespace

Range tokens_of_expert(const TensorView& offsets, std::int64_t tokens, std::int64_t expert) {
  const std::int32_t* at = offsets.as<const std::int32_t>() + expert * offsets.strides[0];
  const std::int64_t begin = std::clamp<std::int64_t>(at[0], 0, tokens);
  return {begin, std::clamp<std::int64_t>(at[offsets.strides[0]], begin, tokens)};
}

const Operator kGroupedMatMul = {
    .name = "GroupedMatMul",
    .doc =
        "x [T, K] sorted by expert, offsets [E + 1], weights [N_i, K] of E experts -> x times its expert's weights [T, "
        "N] f32",
    .infer = infer,
    .prepare = prepare,
    .reference = reference,
    .cost = cost,
    .packs_weights = true,
};

}  // namespace cairn
