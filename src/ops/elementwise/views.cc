#include "base/error.h"
#include "ops/elementwise/elementwise.h"

namespace cairn {
namespace {

using Sizes = std::vector<std::int64_t>;

std::vector<ValueType> infer_split(const InferContext& context) {
  expect_inputs("Split", context, 1, 1);
  const ValueType& x = context.inputs[0];
  if (x.shape.empty() || x.shape.back().is_symbol() || is_quantized(x.dtype) || x.layout != Layout::strided)
    fail_invalid("Split: input 0 is {}, expected a strided, unquantized tensor with a constant last dimension",
                 to_string(x));
  std::int64_t total = 0;
  std::vector<ValueType> outputs;
  for (std::int64_t size : context.attributes.get<Sizes>("sizes")) {
    if (size < 1 || size > x.shape.back().value - total) break;
    total += size;
    outputs.push_back(x);
    outputs.back().shape.back() = size;
  }
  if (outputs.size() != context.attributes.get<Sizes>("sizes").size() || total != x.shape.back().value)
    fail_invalid("Split: {} must sum to the last dimension of {}, each at least 1", to_string(context.attributes),
                 to_string(x));
  return outputs;
}

TensorView view_split(const TensorView& input, int index, const Attributes& attributes) {
  const Sizes& sizes = attributes.get<Sizes>("sizes");
  std::int64_t offset = 0;
  for (int i = 0; i < index; ++i) offset += sizes[static_cast<std::size_t>(i)];
  TensorView part = input;
  part.data += row_bytes(input.dtype, offset);
  part.shape[input.shape.rank() - 1] = sizes[static_cast<std::size_t>(index)];
  return part;
}

std::vector<ValueType> infer_reshape(const InferContext& context) {
  expect_inputs("Reshape", context, 1, 1);
  expect_rank("Reshape", context, 0, 2);
  const ValueType& x = context.inputs[0];
  const std::int64_t heads = context.attributes.get<std::int64_t>("heads");
  const Dim& columns = x.shape[1];
  if (columns.is_symbol() || heads < 1 || columns.value % heads != 0 || is_quantized(x.dtype) ||
      x.layout != Layout::strided)
    fail_invalid("Reshape: heads={} must divide the constant last dimension of {}", heads, to_string(x));
  return {{x.dtype, {x.shape[0], heads, columns.value / heads}}};
}

TensorView view_reshape(const TensorView& input, int, const Attributes& attributes) {
  const std::int64_t heads = attributes.get<std::int64_t>("heads"), columns = input.dim(1) / heads;
  TensorView view = input;
  view.shape = {input.dim(0), heads, columns};
  view.strides = {input.strides[0], columns, 1};
  return view;
}

}  // namespace

const Operator kSplit = {
    .name = "Split",
    .doc = "x [.., N] -> views [.., sizes[i]] side by side in the last dimension",
    .infer = infer_split,
    .view = view_split,
};

const Operator kReshape = {
    .name = "Reshape",
    .doc = "x [T, H * D] -> [T, H, D], a view; heads = H",
    .infer = infer_reshape,
    .view = view_reshape,
};

}  // namespace cairn
