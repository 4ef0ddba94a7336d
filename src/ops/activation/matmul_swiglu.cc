#include "ops/activation/matmul_swiglu.h"

#include <algorithm>
#include <array>

#include "ops/activation/activation.h"
#include "ops/activation/activation_kernels.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/matmul_schema.h"
#include "ops/matmul/panel_work.h"
#include "ops/matmul/quantize_activation.h"

namespace cairn {
namespace {

// Many rows: outputs that workers' shares are cut at (whole groups of panels, whole blocks), rows of x (each plane
// counts) that are multiplied before the next ones, and the room for gate's products, and for up's, which is small
// enough for the second cache.
constexpr std::int64_t kUnit = 64, kRows = 256, kTileFloats = 32768;
constexpr std::int64_t kTileBytes = 2 * kTileFloats * 4;

// Rows [row, row + rows) of x times outputs [first, first + columns) of a weight.
struct Product {
  std::int64_t row = 0, rows = 0, first = 0, columns = 0;
  float* out = nullptr;  // of the first row and output
  std::int64_t stride = 0;
};

class MatMulSwiGluKernel final : public Kernel {
 public:
  explicit MatMulSwiGluKernel(const PrepareContext& context)
      : tables_(matmul_tables(context.isa)),
        weights_(matmul_config("MatMulSwiGlu", context, context.inputs.subspan(1), 1)),
        swiglu_(activation_table(context.isa).swiglu),
        converter_(context.isa, context.outputs[0].dtype) {}

  // Few rows are streamed to shared memory and joined afterwards; of many rows tiles are joined at once.
  int phases() const override { return 2; }

  std::int64_t workspace_bytes(std::span<const TensorView> inputs, int workers) const override {
    if (streamed(inputs[0])) return 2 * inputs[0].dim(0) * padded(inputs[1].dim(0)) * 4;
    return workers * worker_bytes();
  }

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int phase,
           Worker worker) const noexcept override {
    auto* products = reinterpret_cast<float*>(workspace);
    if (!streamed(inputs[0])) {
      if (phase == 0) run_tiles(inputs, outputs[0], workspace, worker);
    } else if (phase == 0) {
      stream(inputs, products, worker);
    } else {
      const std::int64_t columns = outputs[0].dim(1), stride = padded(columns);
      const Range units = share((columns + kUnit - 1) / kUnit, worker);
      const std::int64_t first = units.begin * kUnit, end = std::min(units.end * kUnit, columns);
      float *gate = products + first, *up = gate + inputs[0].dim(0) * stride;
      if (first < end) join(outputs[0], 0, inputs[0].dim(0), first, end - first, gate, up, stride);
    }
  }

 private:
  static std::int64_t padded(std::int64_t columns) { return (columns + kUnit - 1) / kUnit * kUnit; }
  std::int64_t worker_bytes() const { return kTileBytes + tables_.blocked->scratch_bytes; }
  std::int64_t rows_of(const TensorView& x) const { return x.dim(0) * weights_.planes; }
  bool streamed(const TensorView& x) const { return tables_.streams(rows_of(x)); }

  // The panels of gate and then those of up, in shares of one run of memory each.
  void stream(std::span<const TensorView> inputs, float* products, Worker worker) const noexcept {
    const std::int64_t panels = panels_of(inputs[1]), stride = padded(inputs[1].dim(0));
    const Range mine = share(2 * panels, worker);
    for (std::size_t i : {0, 1}) {
      const std::int64_t before = static_cast<std::int64_t>(i) * panels;
      const std::int64_t begin = std::clamp<std::int64_t>(mine.begin - before, 0, panels),
                         end = std::clamp<std::int64_t>(mine.end - before, 0, panels), first = begin * kPanelOutputs;
      if (begin == end) continue;
      float* out = products + static_cast<std::int64_t>(i) * inputs[0].dim(0) * stride + first;
      const std::int64_t columns = std::min(end * kPanelOutputs, inputs[1 + i].dim(0)) - first;
      multiply(inputs, i, {0, rows_of(inputs[0]), first, columns, out, stride}, true, nullptr);
    }
  }

  void run_tiles(std::span<const TensorView> inputs, const TensorView& out, std::byte* workspace,
                 Worker worker) const noexcept {
    auto* gate = reinterpret_cast<float*>(workspace + worker.index * worker_bytes());
    float* up = gate + kTileFloats;
    auto* scratch = reinterpret_cast<std::uint8_t*>(up + kTileFloats);
    const PanelShare mine = panel_share(rows_of(inputs[0]), 2 * panels_of(inputs[1]), worker);
    const Range units = share((out.dim(1) + kUnit - 1) / kUnit, mine.panels);
    const std::int64_t end = std::min(units.end * kUnit, out.dim(1)), planes = weights_.planes;
    for (std::int64_t row = mine.rows.begin; row < mine.rows.end; row += kRows) {
      const std::int64_t rows = std::min(kRows, mine.rows.end - row);
      const std::int64_t width = std::max(kUnit, kTileFloats / rows / kUnit * kUnit);
      for (std::int64_t first = units.begin * kUnit; first < end; first += width) {
        const std::int64_t columns = std::min(width, end - first);
        multiply(inputs, 0, {row, rows, first, columns, gate, width}, false, scratch);
        multiply(inputs, 1, {row, rows, first, columns, up, width}, false, scratch);
        join(out, row / planes, rows / planes, first, columns, gate, up, width);
      }
    }
  }

  // Weight 0 is gate, 1 is up.
  void multiply(std::span<const TensorView> inputs, std::size_t weight, const Product& product, bool streamed,
                std::uint8_t* scratch) const noexcept {
    const PanelProduct whole = {&inputs[1 + weight], weights_.weights[weight].format};
    MatMulArgs args = product_arguments(inputs[0], {}, whole, weights_.planes, scratch);
    args.weight += product.first / kPanelOutputs * args.layout.panel_bytes;
    args.n = product.columns;
    args.x += product.row * args.x_stride;
    args.out = product.out;
    args.out_stride = product.stride;
    const MatMulPart part = {0, product.rows, 0, (product.columns + kPanelOutputs - 1) / kPanelOutputs};
    tables_.run(whole.format, streamed, args, part);
  }

  // Rows [row, row + rows) of the output, at columns [first, first + columns); overwrites gate where it converts.
  void join(const TensorView& out, std::int64_t row, std::int64_t rows, std::int64_t first, std::int64_t columns,
            float* gate, const float* up, std::int64_t stride) const noexcept {
    for (std::int64_t t = row; t < row + rows; ++t, gate += stride, up += stride) {
      float* to = converter_.converts() ? gate : out.row<float>(t) + first;
      swiglu_(gate, up, to, columns);
      if (converter_.converts()) converter_(to, out, t, first, columns);
    }
  }

  MatMulTables tables_;
  MatMulConfig weights_;
  decltype(ActivationTable::swiglu) swiglu_;
  RowConverter converter_;
};

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("MatMulSwiGlu", context, 3, 3);
  ValueType products = kMatMul.infer({context.inputs, {}})[0];  // side by side
  expect_same_dim("MatMulSwiGlu", context.inputs[1].shape[0], context.inputs[2].shape[0], "the outputs of gate and up");
  products.shape[1] = context.inputs[1].shape[0];
  return {converted_type("MatMulSwiGlu", products, context.attributes)};
}

std::unique_ptr<Kernel> prepare(const PrepareContext& context) { return std::make_unique<MatMulSwiGluKernel>(context); }

void reference(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes) {
  const Shape shape = {inputs[0].dim(0), inputs[1].dim(0)};
  const Tensor gate(DType::f32, shape), up(DType::f32, shape);
  const std::array products = {gate.view(), up.view()};
  for (std::size_t i : {0, 1}) {
    const std::array pair = {inputs[0], inputs[1 + i]};
    kMatMul.reference(pair, {&products[i], 1}, {});
  }
  kSwiGlu.reference(products, outputs, attributes);
}

Cost cost(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes) {
  Cost cost = kMatMul.cost(inputs, outputs, attributes);
  cost.operations *= 2;
  return cost;
}

}  // namespace

const Operator kMatMulSwiGlu = {
    .name = "MatMulSwiGlu",
    .doc = "x [T, K], gate [I, K], up [I, K] -> SwiGlu of x times each transposed [T, I]",
    .infer = infer,
    .prepare = prepare,
    .reference = reference,
    .cost = cost,
    .packs_weights = true,
    .converts = true,
};

}  // namespace cairn
