// How products with packed weights are shared among workers, and handed to the kernels of an instruction set.
#pragma once

#include <algorithm>

#include "ops/core/operator.h"
#include "ops/matmul/matmul_kernels.h"
#include "ops/matmul/packed_weight.h"

namespace cairn {

struct MatMulTables {
  const StreamTable* stream;
  const BlockedTable* blocked;
  /// Whether rows of x are few enough to stream the weights for them.
  bool streams(std::int64_t rows) const { return rows <= stream->max_rows; }
  /// Bytes of MatMulArgs::scratch for a worker.
  std::int64_t scratch_bytes(std::int64_t rows) const { return streams(rows) ? 0 : blocked->scratch_bytes; }
  void run(PanelFormat format, bool streamed, const MatMulArgs& args, const MatMulPart& part) const noexcept {
    (streamed ? stream->run : blocked->run)[static_cast<std::size_t>(format)](args, part);
  }
};
MatMulTables matmul_tables(Isa isa);

/// Rows of x times one weight.
struct PanelProduct {
  const TensorView* weight = nullptr;
  PanelFormat format = PanelFormat::f32;
  Range rows;                     // of x, in planes
  std::int64_t first_output = 0;  // column of the output
  std::int64_t panel_cost = 1;    // 0: nothing to do
};

/// What kernels are told of a product; bias and residual are left out.
inline MatMulArgs product_arguments(const TensorView& x, const TensorView& out, const PanelProduct& product, int planes,
                                    std::uint8_t* scratch) {
  MatMulArgs args;
  args.weight = product.weight->as<const std::uint8_t>();
  args.layout = panel_layout(product.weight->dtype, product.weight->dim(1));
  args.k = product.weight->dim(1);
  args.n = product.weight->dim(0);
  args.x = x.as<const std::uint8_t>();
  args.x_stride = row_bytes(x.dtype, x.strides[0]) / planes;
  args.planes = planes;
  args.out = out.as<float>() + product.first_output;
  args.out_stride = out.strides[0];
  args.scratch = scratch;
  return args;
}

/// A worker's place in a grid over rows of x and panels: mostly over panels; over rows too when there are more workers
/// than panels keep busy.
struct PanelShare {
  Range rows;
  Worker panels;  // which part of them, of how many
};
inline PanelShare panel_share(std::int64_t rows, std::int64_t panels, Worker worker) {
  constexpr std::int64_t kLeastRows = 64;    // that a share of the rows must have
  constexpr std::int64_t kLeastPanels = 16;  // that a share of the panels must have before rows are shared too
  int row_shares = 1;
  while (worker.count % (2 * row_shares) == 0 && rows >= 2 * row_shares * kLeastRows &&
         panels * row_shares < kLeastPanels * worker.count)
    row_shares *= 2;
  const int columns = worker.count / row_shares;
  return {share(rows, {worker.index / columns, row_shares}, 8), {worker.index % columns, columns}};
}

/// This worker's part of products 0 .. count-1, product_at(i), whose panels in order are cut so that every worker's
/// cost the same. arguments(i, product) gives what the kernel is told.
template <typename ProductAt, typename Arguments>
void run_products(const MatMulTables& tables, std::int64_t count, Worker worker, ProductAt product_at,
                  Arguments arguments) {
  std::int64_t total = 0, before = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const PanelProduct product = product_at(i);
    total += panels_of(*product.weight) * product.panel_cost;
  }
  const Range mine = share(total, worker);
  for (std::int64_t i = 0; i < count && before < mine.end; ++i) {
    const PanelProduct product = product_at(i);
    if (product.panel_cost == 0) continue;
    const std::int64_t panels = panels_of(*product.weight), rows = product.rows.end - product.rows.begin;
    const bool streamed = tables.streams(rows);
    const std::int64_t grain = streamed ? 1 : tables.blocked->panel_group;
    auto cut = [&](std::int64_t at) {
      const std::int64_t panel = std::clamp((at - before) / product.panel_cost, std::int64_t{0}, panels);
      return panel == panels ? panels : panel / grain * grain;
    };
    const MatMulPart part = {product.rows.begin, product.rows.end, cut(mine.begin), cut(mine.end)};
    if (part.panel_begin < part.panel_end && rows > 0)
      tables.run(product.format, streamed, arguments(i, product), part);
    before += panels * product.panel_cost;
  }
}

}  // namespace cairn
