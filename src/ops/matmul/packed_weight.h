// Packed matmul weights: layout panel16 (panel_format.h) of every stored dtype, and back.
#pragma once

#include <span>

#include "ops/core/operator.h"
#include "ops/matmul/panel_format.h"
#include "tensor/view.h"

namespace cairn {

/// Panels of `dtype`. Throws unsupported for dtypes that are no matmul weights.
PanelFormat panel_format(DType dtype);
PanelBlock panel_block(DType dtype);
PanelLayout panel_layout(DType dtype, std::int64_t k);

/// Panels of a weight [N, K].
inline std::int64_t panels_of(const TensorView& weight) { return (weight.dim(0) + kPanelOutputs - 1) / kPanelOutputs; }

/// Bytes of a weight [n, k] of `dtype` in panel16. Equal to the stored size for whole panels, but for 2.8 % more in
/// q4_k and 2.3 % in q5_k (scales unpacked to bytes) and padding to 64 bytes twice a panel. Throws unsupported for
/// dtypes that are no weights, invalid_argument when k is not a multiple of the dtype's block or the size overflows.
std::int64_t packed_bytes(DType dtype, std::int64_t n, std::int64_t k);
std::int64_t packed_bytes(const TensorView& weight);

/// Packs the panels [panels.begin, panels.end) of `source` ([N, K] strided rows of any alignment, or a RowSource, read
/// 16 rows at a time) into `out`, which is the start of the whole packed weight and 64-byte aligned. Disjoint ranges
/// may be packed by different threads at once. Loses no bit: unpack_row gives the stored row back.
void pack_panels(const TensorView& source, std::byte* out, Range panels);

/// A packed copy that owns its memory, for tests and tools.
class PackedWeight {
 public:
  explicit PackedWeight(const TensorView& source);
  const TensorView& view() const { return view_; }

 private:
  Tensor storage_;
  TensorView view_;
};

/// Row n of a packed weight as f32, bit-identical to decode_row of the stored row; out.size() is K.
/// Allocates nothing and throws nothing for a view that packed_bytes accepts.
void unpack_row(const TensorView& packed, std::int64_t n, std::span<float> out);

}  // namespace cairn
