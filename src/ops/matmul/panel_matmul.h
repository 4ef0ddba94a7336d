// The panel kernels of one instruction set, for operators that multiply with packed weights.
#pragma once

#include "ops/core/operator.h"
#include "ops/matmul/matmul_kernels.h"

namespace cairn {

/// Whose kernels multiply a packed `weight` with activations of dtype `activation`.
PanelFormat panel_format(DType weight, DType activation);

class PanelMatMul {
 public:
  explicit PanelMatMul(Isa isa);

  /// Whether so many rows of x (each plane counts) are better streamed than blocked. The bits are the same.
  bool streams(std::int64_t rows) const { return rows <= stream_->max_rows; }
  /// Panels that a part should be cut at multiples of.
  std::int64_t panel_grain(bool streamed) const { return streamed ? 1 : blocked_->panel_group; }
  /// Bytes of MatMulArgs::scratch.
  std::int64_t scratch_bytes(bool streamed) const { return streamed ? 0 : blocked_->scratch_bytes; }
  void run(PanelFormat format, const MatMulArgs& args, const MatMulPart& part, bool streamed) const noexcept {
    (streamed ? stream_->run : blocked_->run)[static_cast<int>(format)](args, part);
  }

 private:
  const StreamTable* stream_;
  const BlockedTable* blocked_;
};

inline std::int64_t panels_of(const TensorView& weight) { return (weight.dim(0) + kPanelOutputs - 1) / kPanelOutputs; }

/// The arguments that follow from x [T, K] and a packed weight [N, K]: all but what is done with the outputs.
MatMulArgs panel_args(const TensorView& x, const TensorView& weight) noexcept;

/// A worker's place in a grid over rows and panels: mostly over panels; over rows too when there are more workers than
/// panels keep busy.
struct PanelShare {
  Range rows;
  Worker column;  // which part of the panels, of how many
};
PanelShare panel_share(std::int64_t rows, std::int64_t panels, Worker worker) noexcept;

}  // namespace cairn
