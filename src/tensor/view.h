// TensorView: what kernels see. Tensor: owning storage for weights made in memory and for tests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace cairn {

/// A weight [N, K] whose rows do not lie in memory as its dtype has them: they are made where they are read.
class RowSource {
 public:
  virtual ~RowSource() = default;
  /// Writes rows [begin, begin + count), each row_bytes(dtype, K), one after the other. Any thread may call it.
  virtual void read(std::int64_t begin, std::int64_t count, std::byte* out) const noexcept = 0;
};

/// A pointer with dtype, shape and strides; copies share the data. Strides are in elements (for block-quantized types
/// only rows are strided and the unit is elements too, a multiple of the block). A view of layout panel16 has the
/// logical shape [N, K] and no strides.
struct TensorView {
  std::byte* data = nullptr;
  const RowSource* source = nullptr;  // where set, rows come from here and not from `data`
  DType dtype = DType::f32;
  Layout layout = Layout::strided;
  Shape shape;
  std::array<std::int64_t, kMaxRank> strides{};

  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
  std::int64_t dim(int i) const { return shape[i]; }
  /// Size of dimension 0 .. rank-2 taken together (the number of rows).
  std::int64_t rows() const { return shape.back() == 0 ? 0 : shape.elements() / shape.back(); }
  /// Pointer to element (i, 0, …) in T; only for types whose block is one element.
  template <typename T>
  T* row(std::int64_t i) const {
    return reinterpret_cast<T*>(data) + i * strides[0];
  }
};

/// Row-major strides of `shape`.
std::array<std::int64_t, kMaxRank> contiguous_strides(const Shape& shape);
bool is_contiguous(const TensorView& view);

/// A contiguous view of `data`.
TensorView make_view(void* data, DType dtype, Shape shape);

/// Bytes of a contiguous tensor; for coded types, of rows as they come from a RowSource.
std::int64_t byte_size(DType dtype, const Shape& shape);

/// Owns 64-byte aligned, zeroed storage.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);
  const TensorView& view() const { return view_; }
  template <typename T>
  T* as() {
    return view_.as<T>();
  }
  template <typename T>
  const T* as() const {
    return view_.as<T>();
  }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte[], Free> storage_;
  TensorView view_;
};

}  // namespace cairn
