#include "ops/matmul/matmul_kernel.h"

#include <algorithm>

#include "ops/matmul/panel_matmul.h"

namespace cairn {
namespace {

class MatMulKernel final : public Kernel {
 public:
  explicit MatMulKernel(MatMulConfig config) : config_(std::move(config)), panels_(config_.isa) {}

  std::int64_t workspace_bytes(std::span<const TensorView> inputs, int workers) const override {
    return workers * panels_.scratch_bytes(streamed(inputs[0]));
  }

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int,
           Worker worker) const noexcept override {
    const auto weights = inputs.subspan(1, config_.formats.size());
    std::int64_t panels = 0;
    for (const TensorView& weight : weights) panels += panels_of(weight);
    const PanelShare mine = panel_share(inputs[0].dim(0) * config_.planes, panels, worker);
    const bool stream = streamed(inputs[0]);
    auto* scratch = reinterpret_cast<std::uint8_t*>(workspace) + worker.index * panels_.scratch_bytes(stream);
    run_share(inputs, outputs[0], mine.rows, mine.column, stream, scratch);
  }

 private:
  // The panels of all weights in order, cut so that every share has the same cost.
  void run_share(std::span<const TensorView> inputs, const TensorView& out, Range rows, Worker column, bool streamed,
                 std::uint8_t* scratch) const noexcept {
    const auto weights = inputs.subspan(1, config_.formats.size());
    const std::int64_t grain = panels_.panel_grain(streamed);
    std::int64_t total = 0, cost_before = 0, first_output = 0;
    for (std::size_t i = 0; i < weights.size(); ++i)
      total += panels_of(weights[i]) * cost(weights[i], config_.formats[i], streamed);
    const Range mine = share(total, column);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const std::int64_t panels = panels_of(weights[i]), panel_cost = cost(weights[i], config_.formats[i], streamed);
      auto cut = [&](std::int64_t at) {
        const std::int64_t panel = std::clamp((at - cost_before) / panel_cost, std::int64_t{0}, panels);
        return panel == panels ? panels : panel / grain * grain;
      };
      const MatMulPart part = {rows.begin, rows.end, cut(mine.begin), cut(mine.end)};
      if (part.panel_begin < part.panel_end && rows.begin < rows.end) {
        panels_.run(config_.formats[i], arguments(inputs, out, i, first_output, scratch), part, streamed);
      }
      cost_before += panels * panel_cost;
      first_output += weights[i].dim(0);
    }
  }

  bool streamed(const TensorView& x) const { return panels_.streams(x.dim(0) * config_.planes); }

  // Streaming costs bytes; blocked work costs products, which are the same for all panels of one K.
  static std::int64_t cost(const TensorView& weight, PanelFormat format, bool streamed) {
    return streamed ? std::max<std::int64_t>(1, panel_layout(format, weight.dim(1)).panel_bytes / 64) : 1;
  }

  MatMulArgs arguments(std::span<const TensorView> inputs, const TensorView& out, std::size_t i,
                       std::int64_t first_output, std::uint8_t* scratch) const noexcept {
    MatMulArgs args = panel_args(inputs[0], inputs[1 + i]);
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
  PanelMatMul panels_;
};

}  // namespace

std::unique_ptr<Kernel> make_matmul_kernel(MatMulConfig config) {
  return std::make_unique<MatMulKernel>(std::move(config));
}

}  // namespace cairn
