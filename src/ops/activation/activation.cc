#include "ops/activation/activation.h"

#include <algorithm>
#include <cmath>

#include "ops/activation/activation_kernels.h"
#include "ops/core/rows.h"
#include "ops/matmul/quantize_activation.h"

namespace cairn {
#define X(isa)                                   \
  namespace isa {                                \
  extern const ActivationTable kActivationTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

const ActivationTable& activation_table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kActivationTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kActivationTable;
}

namespace {

// One row may be shared by several workers, in pieces of this many columns.
constexpr std::int64_t kChunk = 512;  // whole blocks of every activation dtype

class SwiGluKernel final : public Kernel {
 public:
  SwiGluKernel(Isa isa, DType to) : table_(activation_table(isa)), converter_(isa, to) {}

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte*, int,
           Worker worker) const noexcept override {
    const std::int64_t columns = outputs[0].dim(1), chunks = (columns + kChunk - 1) / kChunk;
    Range range = share(outputs[0].dim(0) * chunks, worker);
    alignas(64) float chunk[kChunk];
    for (std::int64_t unit = range.begin; unit < range.end; ++unit) {
      const std::int64_t t = unit / chunks, from = unit % chunks * kChunk, count = std::min(kChunk, columns - from);
      float* out = converter_.converts() ? chunk : outputs[0].row<float>(t) + from;
      table_.swiglu(inputs[0].row<const float>(t) + from, inputs[1].row<const float>(t) + from, out, count);
      if (converter_.converts()) converter_(chunk, outputs[0], t, from, count);
    }
  }

 private:
  const ActivationTable& table_;
  RowConverter converter_;
};

std::vector<ValueType> infer_swiglu(const InferContext& context) {
  expect_inputs("SwiGlu", context, 2, 2);
  for (std::size_t i : {0, 1}) expect_rank("SwiGlu", context, i, 2), expect_dtype("SwiGlu", context, i, {DType::f32});
  for (std::size_t d : {0, 1})
    expect_same_dim("SwiGlu", context.inputs[0].shape[d], context.inputs[1].shape[d], "the shapes of gate and up");
  return {converted_type("SwiGlu", context.inputs[0], context.attributes)};
}

void swiglu_ref(std::span<const TensorView> inputs, std::span<const TensorView> all_outputs, const Attributes&) {
  convert_after(all_outputs, [&](std::span<const TensorView> outputs) {
    for (std::int64_t t = 0; t < outputs[0].dim(0); ++t) {
      for (std::int64_t i = 0; i < outputs[0].dim(1); ++i) {
        float gate = inputs[0].row<const float>(t)[i];
        outputs[0].row<float>(t)[i] = gate / (1.0f + std::exp(-gate)) * inputs[1].row<const float>(t)[i];
      }
    }
  });
}

}  // namespace

const Operator kSwiGlu = {
    .name = "SwiGlu",
    .doc = "gate [T, I], up [T, I] -> gate * sigmoid(gate) * up [T, I]",
    .infer = infer_swiglu,
    .prepare = [](const PrepareContext& context) -> std::unique_ptr<Kernel> {
      return std::make_unique<SwiGluKernel>(context.isa, context.outputs[0].dtype);
    },
    .reference = swiglu_ref,
    .converts = true,
};

}  // namespace cairn
