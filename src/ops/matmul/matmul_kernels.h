// Kernel tables of the matmul family; one instance an instruction set.
#pragma once

#include <cstdint>

#include "ops/matmul/panel_format.h"

namespace cairn {

/// One packed weight and the columns of the output that it makes.
struct MatMulArgs {
  const std::uint8_t* weight = nullptr;
  PanelLayout layout;
  std::int64_t k = 0, n = 0;         // n: outputs stored, at most 16 a panel
  int planes = 1;                    // rows of x whose products add up to one row of out: 2 for a8x2
  const std::uint8_t* x = nullptr;   // rows of the format's activation dtype
  std::int64_t x_stride = 0;         // bytes
  float* out = nullptr;              // at this weight's first column
  std::int64_t out_stride = 0;       // f32
  const float* bias = nullptr;       // [n] or null, at this weight's first column
  const float* residual = nullptr;   // [rows, n] or null, likewise
  std::int64_t residual_stride = 0;  // f32
  std::uint8_t* scratch = nullptr;   // this worker's, blocked_scratch_bytes(), 64-byte aligned
};

/// Rows of x [row_begin, row_end), multiples of `planes`, x panels [panel_begin, panel_end).
struct MatMulPart {
  std::int64_t row_begin = 0, row_end = 0, panel_begin = 0, panel_end = 0;
};

/// Streams each panel once for the rows of a part; best for few rows. In the order of PanelFormat.
struct StreamTable {
  std::int64_t max_rows;  // of a part that is better streamed than blocked
  void (*run[kPanelFormats])(const MatMulArgs&, const MatMulPart&);
};

/// Unpacks a group of panels to scratch and multiplies tiles of rows with it; for many rows.
struct BlockedTable {
  std::int64_t scratch_bytes;
  std::int64_t panel_group;  // panels of a tile: parts cut at multiples of it waste nothing
  void (*run[kPanelFormats])(const MatMulArgs&, const MatMulPart&);
};

/// Columns [first, first + columns) of rows of f32 to rows of an activation dtype, whole blocks of it.
struct QuantizeArgs {
  const std::uint8_t* x = nullptr;  // at column `first`
  std::int64_t x_stride = 0;        // bytes
  std::uint8_t* out = nullptr;      // at column 0
  std::int64_t out_stride = 0;      // bytes
  std::int64_t k = 0;               // columns of a whole row
  std::int64_t first = 0, columns = 0;
};

struct QuantizeTable {
  using Function = void (*)(const QuantizeArgs&, std::int64_t row_begin, std::int64_t row_end);
  Function to_a8, to_a8x2, to_bf16;
};

}  // namespace cairn
