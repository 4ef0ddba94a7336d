// Shapes, fixed and symbolic.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace cairn {

inline constexpr int kMaxRank = 5;

/// A fixed shape of rank 0..kMaxRank; value type.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims);
  explicit Shape(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(i)]; }
  std::int64_t& operator[](int i) { return dims_[static_cast<std::size_t>(i)]; }
  std::int64_t back() const { return dims_[static_cast<std::size_t>(rank_ - 1)]; }
  std::int64_t elements() const;
  std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<std::size_t>(rank_)}; }
  bool operator==(const Shape& other) const;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

std::string to_string(const Shape& shape);

/// A dimension of a graph value: a constant, or a symbol (an index into the graph's symbol table) read at each run.
struct Dim {
  std::int64_t value = 0;  // the constant, when symbol < 0
  int symbol = -1;

  Dim() = default;
  Dim(std::int64_t constant) : value(constant) {}  // NOLINT: a constant is a dimension
  static Dim of_symbol(int index) {
    Dim dim;
    dim.symbol = index;
    return dim;
  }
  bool is_symbol() const { return symbol >= 0; }
  bool operator==(const Dim&) const = default;
};

using SymShape = std::vector<Dim>;

/// How the elements lie in memory.
enum class Layout : std::uint8_t {
  strided,  // TensorView's strides say
  // A matmul weight [N, K] packed for the kernels: panels of 16 outputs, a lane an output (ops/matmul/packed_weight.h).
  panel16,
};

/// What a graph knows of a value.
struct ValueType {
  DType dtype = DType::f32;
  SymShape shape;
  Layout layout = Layout::strided;
};

}  // namespace cairn
