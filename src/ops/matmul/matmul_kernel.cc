#include "ops/matmul/matmul_kernel.h"

#include <algorithm>

#include "ops/matmul/grouped_matmul.h"
#include "ops/matmul/panel_work.h"

namespace cairn {
#define X(isa)                             \
  namespace isa {                          \
  extern const StreamTable kStreamTable;   \
  extern const BlockedTable kBlockedTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

MatMulTables matmul_tables(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return {&name::kStreamTable, &name::kBlockedTable};
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return {&portable::kStreamTable, &portable::kBlockedTable};
}

namespace {

class MatMulKernel final : public Kernel {
 public:
  explicit MatMulKernel(MatMulConfig config) : config_(std::move(config)), tables_(matmul_tables(config_.isa)) {}

  std::int64_t workspace_bytes(std::span<const TensorView> inputs, int workers) const override {
    return workers * tables_.scratch_bytes(inputs[0].dim(0) * config_.planes);
  }

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int,
           Worker worker) const noexcept override {
    const std::int64_t rows = inputs[0].dim(0) * config_.planes;
    const auto weights = inputs.subspan(1, config_.weights.size());
    std::int64_t panels = 0;
    for (const TensorView& weight : weights) panels += panels_of(weight);
    const PanelShare mine = panel_share(rows, panels, worker);
    auto* scratch = reinterpret_cast<std::uint8_t*>(workspace) + worker.index * tables_.blocked->scratch_bytes;
    auto product_at = [&](std::int64_t i) {
      const TensorView& weight = weights[static_cast<std::size_t>(i)];
      const MatMulConfig::Weight& how = config_.weights[static_cast<std::size_t>(i)];
      // Streaming costs bytes; blocked work costs products, which are the same for all panels of one K.
      const std::int64_t bytes = panel_layout(weight.dtype, weight.dim(1)).panel_bytes;
      return PanelProduct{&weight, how.format, mine.rows, how.first_output,
                          tables_.streams(rows) ? std::max<std::int64_t>(1, bytes / 64) : 1};
    };
    run_products(tables_, static_cast<std::int64_t>(weights.size()), mine.panels, product_at,
                 [&](std::int64_t, const PanelProduct& product) {
                   MatMulArgs args = product_arguments(inputs[0], outputs[0], product, config_.planes, scratch);
                   if (config_.bias) args.bias = inputs[1 + weights.size()].as<const float>() + product.first_output;
                   if (config_.residual) {
                     args.residual = inputs.back().as<const float>() + product.first_output;
                     args.residual_stride = inputs.back().strides[0];
                   }
                   return args;
                 });
  }

 private:
  MatMulConfig config_;
  MatMulTables tables_;
};

class GroupedMatMulKernel final : public Kernel {
 public:
  GroupedMatMulKernel(MatMulConfig config, std::int64_t experts)
      : config_(std::move(config)),
        tables_(matmul_tables(config_.isa)),
        weights_each_(static_cast<std::int64_t>(config_.weights.size()) / experts) {}

  std::int64_t workspace_bytes(std::span<const TensorView> inputs, int workers) const override {
    return workers * tables_.scratch_bytes(inputs[0].dim(0) * config_.planes);
  }

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int,
           Worker worker) const noexcept override {
    auto* scratch = reinterpret_cast<std::uint8_t*>(workspace) + worker.index * tables_.blocked->scratch_bytes;
    auto product_at = [&](std::int64_t i) {
      const TensorView& weight = inputs[static_cast<std::size_t>(2 + i)];
      const MatMulConfig::Weight& how = config_.weights[static_cast<std::size_t>(i)];
      const Range tokens = tokens_of_expert(inputs[1], inputs[0].dim(0), i / weights_each_);
      const Range rows = {tokens.begin * config_.planes, tokens.end * config_.planes};
      const std::int64_t count = rows.end - rows.begin;
      // Reading a panel, and a vector of products a row for each of its vectors, of which an eighth of the time is due.
      const std::int64_t vectors = panel_layout(weight.dtype, weight.dim(1)).panel_bytes / 64;
      return PanelProduct{&weight, how.format, rows, how.first_output,
                          count == 0 ? 0 : std::max<std::int64_t>(1, vectors + count * weight.dim(1) / 32)};
    };
    run_products(tables_, static_cast<std::int64_t>(config_.weights.size()), worker, product_at,
                 [&](std::int64_t, const PanelProduct& product) {
                   return product_arguments(inputs[0], outputs[0], product, config_.planes, scratch);
                 });
  }

 private:
  MatMulConfig config_;
  MatMulTables tables_;
  std::int64_t weights_each_;
};

}  // namespace

std::unique_ptr<Kernel> make_matmul_kernel(MatMulConfig config) {
  return std::make_unique<MatMulKernel>(std::move(config));
}

std::unique_ptr<Kernel> make_grouped_matmul_kernel(MatMulConfig config, std::int64_t experts) {
  return std::make_unique<GroupedMatMulKernel>(std::move(config), experts);
}

}  // namespace cairn
