#include "tensor/view.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace cairn {

std::array<std::int64_t, kMaxRank> contiguous_strides(const Shape& shape) {
  std::array<std::int64_t, kMaxRank> strides{};
  std::int64_t step = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[static_cast<std::size_t>(i)] = step;
    step *= shape[i];
  }
  return strides;
}

bool is_contiguous(const TensorView& view) {
  auto expected = contiguous_strides(view.shape);
  for (int i = 0; i < view.shape.rank(); ++i)
    if (view.shape[i] > 1 && view.strides[static_cast<std::size_t>(i)] != expected[static_cast<std::size_t>(i)]) return false;
  return true;
}

TensorView make_view(void* data, DType dtype, Shape shape) {
  TensorView view;
  view.data = static_cast<std::byte*>(data);
  view.dtype = dtype;
  view.shape = shape;
  view.strides = contiguous_strides(shape);
  return view;
}

std::int64_t byte_size(DType dtype, const Shape& shape) {
  if (shape.rank() == 0) return row_bytes(dtype, 1);
  const std::int64_t rows = shape.back() == 0 ? 0 : shape.elements() / shape.back();
  return rows * row_bytes(dtype, shape.back());
}

void Tensor::Free::operator()(std::byte* p) const { std::free(p); }

Tensor::Tensor(DType dtype, Shape shape) {
  auto bytes = (static_cast<std::size_t>(byte_size(dtype, shape)) + 63) / 64 * 64 + 64;
  auto* data = static_cast<std::byte*>(std::aligned_alloc(64, bytes));
  if (!data) throw std::bad_alloc();
  std::memset(data, 0, bytes);
  storage_.reset(data);
  view_ = make_view(data, dtype, shape);
}

}  // namespace cairn
