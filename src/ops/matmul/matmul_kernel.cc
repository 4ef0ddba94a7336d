#include "ops/matmul/matmul_kernel.h"

#include <algorithm>

#include "ops/matmul/matmul_kernels.h"
#include "ops/matmul/packed_weight.h"

namespace cairn {
#define X(isa)                             \
  namespace isa {                          \
  extern const StreamTable kStreamTable;   \
  extern const BlockedTable kBlockedTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace {

struct Tables {
  const StreamTable* stream;
  const BlockedTable* blocked;
};

Tables tables(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return {&name::kStreamTable, &name::kBlockedTable};
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return {&portable::kStreamTable, &portable::kBlockedTable};
}

constexpr std::int64_t kLeastRows = 64;    // that a share of the rows must have
constexpr std::int64_t kLeastPanels = 16;  // that a share of the panels must have before rows are shared too

std::int64_t panels_of(const TensorView& weight) { return (weight.dim(0) + kPanelOutputs - 1) / kPanelOutputs; }

class MatMulKernel final : public Kernel {
 public:
  explicit MatMulKernel(MatMulConfig config) : config_(std::move(config)), tables_(tables(config_.isa)) {}

  std::int64_t workspace_bytes(std::span<const TensorView> inputs, int workers) const override {
    return streamed(inputs[0]) ? 0 : workers * tables_.blocked->scratch_bytes;
  }

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int,
           Worker worker) const noexcept override {
    const std::int64_t rows = inputs[0].dim(0) * config_.planes;
    const auto weights = inputs.subspan(1, config_.formats.size());
    // Workers form a grid: mostly over panels; over rows too when there are more workers than panels keep busy.
    std::int64_t panels = 0;
    for (const TensorView& weight : weights) panels += panels_of(weight);
    int row_shares = 1;
    while (worker.count % (2 * row_shares) == 0 && rows >= 2 * row_shares * kLeastRows &&
           panels * row_shares < kLeastPanels * worker.count)
      row_shares *= 2;
    const int columns = worker.count / row_shares;
    const Range row_range = share(rows, {worker.index / columns, row_shares}, 8);
    const Worker column = {worker.index % columns, columns};
    auto* scratch = reinterpret_cast<std::uint8_t*>(workspace) + worker.index * tables_.blocked->scratch_bytes;
    run_share(inputs, outputs[0], row_range, column, streamed(inputs[0]), scratch);
  }

 private:
  // The panels of all weights in order, cut so that every share has the same cost.
  void run_share(std::span<const TensorView> inputs, const TensorView& out, Range rows, Worker column, bool streamed,
                 std::uint8_t* scratch) const noexcept {
    const auto weights = inputs.subspan(1, config_.formats.size());
    const std::int64_t grain = streamed ? 1 : tables_.blocked->panel_group;
    std::int64_t total = 0, cost_before = 0, first_output = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) total += panels_of(weights[i]) * cost(weights[i], streamed);
    const Range mine = share(total, column);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::int64_t panels = panels_of(weights[i]), panel_cost = cost(weights[i], streamed);
      auto cut = [&](std::int64_t at) {
        const std::int64_t panel = std::clamp((at - cost_before) / panel_cost, std::int64_t{0}, panels);
        return panel == panels ? panels : panel / grain * grain;
      };
      const MatMulPart part = {rows.begin, rows.end, cut(mine.begin), cut(mine.end)};
      if (part.panel_begin < part.panel_end && rows.begin < rows.end) {
        const MatMulArgs args = arguments(inputs, out, i, first_output, scratch);
        const auto format = static_cast<std::size_t>(config_.formats[i]);
        const auto kernel = streamed ? tables_.stream->run[format] : tables_.blocked->run[format];
        kernel(args, part);
      }
      cost_before += panels * panel_cost;
      first_output += weights[i].dim(0);
    }
  }

  bool streamed(const TensorView& x) const { return x.dim(0) * config_.planes <= tables_.stream->max_rows; }

  // Streaming costs bytes; blocked work costs products, which are the same for all panels of one K.
  static std::int64_t cost(const TensorView& weight, bool streamed) {
    return streamed ? std::max<std::int64_t>(1, panel_layout(weight.dtype, weight.dim(1)).panel_bytes / 64) : 1;
  }

  MatMulArgs arguments(std::span<const TensorView> inputs, const TensorView& out, std::size_t i,
                       std::int64_t first_output, std::uint8_t* scratch) const noexcept {
    const TensorView &x = inputs[0], &weight = inputs[1 + i];
    MatMulArgs args;
    args.weight = weight.as<const std::uint8_t>();
    args.layout = panel_layout(weight.dtype, weight.dim(1));
    args.k = weight.dim(1);
    args.n = weight.dim(0);
    args.x = x.as<const std::uint8_t>();
    args.x_stride = row_bytes(x.dtype, x.strides[0]) / config_.planes;
    args.planes = config_.planes;
    args.out = out.as<float>() + first_output;
    args.out_stride = out.strides[0];
    if (config_.bias) args.bias = inputs[1 + config_.formats.size()].as<const float>() + first_output;
    if (config_.residual) {
      args.residual = inputs.back().as<const float>() + first_output;
      args.residual_stride = inputs.back().strides[0];
    }
    args.scratch = scratch;
    return args;
  }

  MatMulConfig config_;
  Tables tables_;
};

}  // namespace

std::unique_ptr<Kernel> make_matmul_kernel(MatMulConfig config) {
  return std::make_unique<MatMulKernel>(std::move(config));
}

}  // namespace cairn
