#include <algorithm>
#include <cstring>

#include "ops/elementwise/elementwise.h"

namespace cairn {
namespace {

void gather(std::span<const TensorView> inputs, std::span<const TensorView> outputs, Range range) noexcept {
  const TensorView& x = inputs[0];
  if (x.dim(0) == 0) return;
  for (std::int64_t r = range.begin; r < range.end; ++r) {
    std::int64_t row = std::clamp<std::int64_t>(inputs[1].as<const std::int32_t>()[r], 0, x.dim(0) - 1);
    std::memcpy(outputs[0].row<float>(r), x.row<const float>(row), static_cast<std::size_t>(x.dim(1)) * sizeof(float));
  }
}

class GatherRowsKernel final : public Kernel {
 public:
  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte*, int,
           Worker worker) const noexcept override {
    gather(inputs, outputs, share(outputs[0].dim(0), worker));
  }
};

std::vector<ValueType> infer_gather_rows(const InferContext& context) {
  expect_inputs("GatherRows", context, 2, 2);
  expect_rank("GatherRows", context, 0, 2);
  expect_dtype("GatherRows", context, 0, {DType::f32});
  expect_rank("GatherRows", context, 1, 1);
  expect_dtype("GatherRows", context, 1, {DType::i32});
  return {{DType::f32, {context.inputs[1].shape[0], context.inputs[0].shape[1]}}};
}

}  // namespace

const Operator kGatherRows = {
    .name = "GatherRows",
    .doc = "x [T, D], rows i32 [R] -> x[rows] [R, D]",
    .infer = infer_gather_rows,
    .prepare = [](const PrepareContext&) -> std::unique_ptr<Kernel> { return std::make_unique<GatherRowsKernel>(); },
    .reference =
        [](std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) {
          gather(inputs, outputs, {0, outputs[0].dim(0)});
        },
    .cost = [](std::span<const TensorView>, std::span<const TensorView> outputs,
               const Attributes&) { return bytes_of(outputs, outputs); },
};

}  // namespace cairn
