#include "ops/matmul/panel_matmul.h"

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

constexpr std::int64_t kLeastRows = 64;    // that a share of the rows must have
constexpr std::int64_t kLeastPanels = 16;  // that a share of the panels must have before rows are shared too

}  // namespace

PanelFormat panel_format(DType weight, DType activation) {
  const PanelFormat format = panel_format(weight);
  return format == PanelFormat::bf16 && activation == DType::bf16 ? PanelFormat::bf16_dot : format;
}

PanelMatMul::PanelMatMul(Isa isa) : stream_(&portable::kStreamTable), blocked_(&portable::kBlockedTable) {
#define X(name) \
  if (isa == Isa::name) stream_ = &name::kStreamTable, blocked_ = &name::kBlockedTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
}

MatMulArgs panel_args(const TensorView& x, const TensorView& weight) noexcept {
  MatMulArgs args;
  args.weight = weight.as<const std::uint8_t>();
  args.layout = panel_layout(panel_format(weight.dtype), weight.dim(1));
  args.k = weight.dim(1);
  args.n = weight.dim(0);
  args.planes = x.dtype == DType::a8x2 ? 2 : 1;
  args.x = x.as<const std::uint8_t>();
  args.x_stride = row_bytes(x.dtype, x.strides[0]) / args.planes;
  return args;
}

PanelShare panel_share(std::int64_t rows, std::int64_t panels, Worker worker) noexcept {
  int row_shares = 1;
  while (worker.count % (2 * row_shares) == 0 && rows >= 2 * row_shares * kLeastRows &&
         panels * row_shares < kLeastPanels * worker.count)
    row_shares *= 2;
  const int columns = worker.count / row_shares;
  return {share(rows, {worker.index / columns, row_shares}, 8), {worker.index % columns, columns}};
}

}  // namespace cairn
