// How kernels see f32 tensors: rows of contiguous elements at one or two strides. A plain struct that includes nothing
// of the tensor room, so that sources compiled per instruction set may use it.
#pragma once

#include <cstdint>

namespace cairn {

/// Rows of T ([outer, inner, columns], inner is 1 for rank 2); row i lies at outer index i / inner, inner index i %
/// inner.
template <typename T>
struct Rows {
  T* data = nullptr;
  std::int64_t count = 0, columns = 0;
  std::int64_t inner = 1;
  std::int64_t outer_stride = 0, inner_stride = 0;

  __attribute__((always_inline)) T* row(std::int64_t i) const {
    return data + i / inner * outer_stride + i % inner * inner_stride;
  }
};

/// Rows of a view of rank 2 [rows, columns] or 3 [outer, inner, columns] whose last dimension is contiguous.
template <typename T, typename View>
Rows<T> rows_of(const View& view) {
  if (view.shape.rank() == 2) return {view.template as<T>(), view.dim(0), view.dim(1), 1, view.strides[0], 0};
  return {view.template as<T>(), view.dim(0) * view.dim(1),
          view.dim(2),           view.dim(1) > 0 ? view.dim(1) : 1,
          view.strides[0],       view.strides[1]};
}

}  // namespace cairn
