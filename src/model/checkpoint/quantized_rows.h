// The rows of quantized safetensors weights, made from the several tensors that store them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/view.h"

namespace cairn {

/// A weight of a coded dtype and the stored tensors that it is made of.
class QuantizedRows : public RowSource {
 public:
  std::span<const TensorView> parts() const { return parts_; }

 protected:
  explicit QuantizedRows(std::vector<TensorView> parts) : parts_(std::move(parts)) {}

 private:
  std::vector<TensorView> parts_;
};

/// A scale for each block of `rows` outputs and `columns` elements.
struct ScaleGrid {
  TensorView stored;                               // f32, f16 or bf16
  std::int64_t rows = 1, columns = 1, across = 1;  // across: scales side by side
  float at(std::int64_t n, std::int64_t k) const;
};

/// i8_channel, f8_channel, f8_g128: codes [N, K] of 8 bits beside their scales. A nan among the codes of a scale
/// becomes 0, and the scale nan.
class EightBitRows final : public QuantizedRows {
 public:
  EightBitRows(DType dtype, const TensorView& codes, const ScaleGrid& scales);
  void read(std::int64_t begin, std::int64_t count, std::byte* out) const noexcept override;

 private:
  DType dtype_;
  TensorView codes_;
  ScaleGrid scales_;
};

/// Nibbles of a matrix in words of 32 bits. Element (i, j) is in the word i / (8 if the words run along i) * row +
/// j / (8 likewise) * column, in the nibble that `place` gives for its number along that side.
struct PackedNibbles {
  TensorView stored;  // i32
  bool along_rows = false;
  std::int64_t row = 0, column = 0;
  const std::uint8_t* place = nullptr;  // [8]
  int at(std::int64_t i, std::int64_t j) const;
};

struct Int4Parts {
  PackedNibbles codes;                          // of (n, k), 0..15
  PackedNibbles zero_points;                    // of (n, group); no data: all are 8
  int zero_point_offset = 0;                    // added to them
  TensorView scales;                            // f16 or bf16
  std::int64_t scale_row = 0, scale_group = 0;  // strides, for an output and a group
};

/// i4_* and u4_*.
class Int4Rows final : public QuantizedRows {
 public:
  Int4Rows(DType dtype, std::int64_t k, const Int4Parts& parts);
  void read(std::int64_t begin, std::int64_t count, std::byte* out) const noexcept override;

 private:
  void read_codes(std::int64_t n, std::int64_t k, std::uint8_t* out) const noexcept;

  DType dtype_;
  std::int64_t k_;
  Int4Parts parts_;
};

}  // namespace cairn
