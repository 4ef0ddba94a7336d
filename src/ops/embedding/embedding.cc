#include "ops/embedding/embedding.h"

#include <algorithm>

#include "base/error.h"
#include "ops/matmul/packed_weight.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

// Row decoding is a table look-up and integer work in a few kilobytes a token; there is nothing to gain from wider
// vectors.
void embed(std::span<const TensorView> inputs, const TensorView& out, Range tokens) {
  const TensorView &ids = inputs[0], &weight = inputs[1];
  const auto k = static_cast<std::size_t>(weight.dim(1));
  for (std::int64_t t = tokens.begin; t < tokens.end; ++t) {
    const std::int64_t id =
        std::clamp<std::int64_t>(ids.as<const std::int32_t>()[t * ids.strides[0]], 0, weight.dim(0) - 1);
    const std::span<float> row(out.row<float>(t), k);
    if (weight.layout == Layout::panel16)
      unpack_row(weight, id, row);
    else
      decode_row(weight.dtype, weight.data + row_bytes(weight.dtype, weight.strides[0]) * id, row);
  }
}

class EmbeddingKernel final : public Kernel {
 public:
  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte*, int,
           Worker worker) const noexcept override {
    embed(inputs, outputs[0], share(inputs[0].dim(0), worker));
  }
};

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("Embedding", context, 2, 2);
  expect_rank("Embedding", context, 0, 1);
  expect_dtype("Embedding", context, 0, {DType::i32});
  expect_rank("Embedding", context, 1, 2);
  const ValueType& weight = context.inputs[1];
  if (weight.shape[0].is_symbol() || weight.shape[1].is_symbol() || weight.shape[0].value < 1)
    fail_invalid("Embedding: the shape of weight {} must be constant, with at least one row", to_string(weight));
  packed_bytes(weight.dtype, weight.shape[0].value, weight.shape[1].value);  // throws for what is no weight
  return {{DType::f32, {context.inputs[0].shape[0], weight.shape[1]}}};
}

std::unique_ptr<Kernel> prepare(const PrepareContext&) { return std::make_unique<EmbeddingKernel>(); }

void reference(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) {
  embed(inputs, outputs[0], {0, inputs[0].dim(0)});
}

// The rows that are taken, stored and widened.
Cost cost(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) {
  Cost cost = bytes_of(inputs.first(1), outputs);
  cost.bytes += static_cast<double>(inputs[0].dim(0) * row_bytes(inputs[1].dtype, inputs[1].dim(1)));
  return cost;
}

}  // namespace

const Operator kEmbedding = {
    .name = "Embedding",
    .doc = "ids [T] i32, weight [V, K] -> rows of the weight [T, K] f32",
    .infer = infer,
    .prepare = prepare,
    .reference = reference,
    .cost = cost,
};

}  // namespace cairn
