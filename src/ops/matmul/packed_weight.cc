#include "ops/matmul/packed_weight.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "ops/matmul/pack_blocks.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

// Blocks packed of one output before the next output's: the panel's part stays in the nearest cache.
constexpr std::int64_t kRun = 64;

BlockPlace place_of(const PanelLayout& layout, const PanelBlock& block, std::byte* packed, std::int64_t panel,
                    std::int64_t b) {
  auto* start = reinterpret_cast<std::uint8_t*>(packed) + panel * layout.panel_bytes;
  return {start + b * block.scale_bytes, start + layout.quant_offset + b * block.quant_bytes};
}

}  // namespace

PanelFormat panel_format(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return PanelFormat::f32;
    case DType::f16:
      return PanelFormat::f16;
    case DType::bf16:
      return PanelFormat::bf16;
    case DType::q8_0:
      return PanelFormat::q8_0;
    case DType::q4_0:
      return PanelFormat::q4_0;
    case DType::q4_1:
      return PanelFormat::q4_1;
    case DType::q4_k:
      return PanelFormat::q4_k;
    case DType::q5_k:
      return PanelFormat::q5_k;
    case DType::q6_k:
      return PanelFormat::q6_k;
    default:
      fail(ErrorKind::unsupported, "{} is not supported as a matmul weight", name(dtype));
  }
}

std::int64_t packed_bytes(DType dtype, std::int64_t n, std::int64_t k) {
  const PanelFormat format = panel_format(dtype);
  if (n < 0 || k < 0 || k % info(dtype).block_elements != 0)
    fail_invalid("cannot pack a weight [{}, {}]: the columns of {} come in blocks of {}", n, k, name(dtype),
                 info(dtype).block_elements);
  constexpr std::int64_t limit = std::int64_t{1} << 48;  // bytes; keeps every product below in range
  if (n > limit || k > limit / 128) fail_invalid("cannot pack a weight [{}, {}]: too large", n, k);
  const std::int64_t panels = (n + kPanelOutputs - 1) / kPanelOutputs, bytes = panel_layout(format, k).panel_bytes;
  if (bytes > 0 && panels > limit / bytes) fail_invalid("cannot pack a weight [{}, {}]: too large", n, k);
  return panels * bytes;
}

std::int64_t packed_bytes(const TensorView& weight) {
  if (weight.shape.rank() != 2) fail_invalid("a matmul weight has rank 2, not {}", to_string(weight.shape));
  return packed_bytes(weight.dtype, weight.dim(0), weight.dim(1));
}

void pack_panels(const TensorView& source, std::byte* out, Range panels) {
  const PanelFormat format = panel_format(source.dtype);
  const PanelBlock block = panel_block(format);
  const std::int64_t n = source.dim(0), k = source.dim(1);
  const PanelLayout layout = panel_layout(format, k);
  const auto* rows = reinterpret_cast<const std::uint8_t*>(source.data);
  const std::int64_t stride = row_bytes(source.dtype, source.strides[0]),
                     stored_bytes = row_bytes(source.dtype, block.k);
  for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
    std::byte* start = out + panel * layout.panel_bytes;
    const auto lanes = static_cast<int>(std::min(kPanelOutputs, n - panel * kPanelOutputs));
    if (lanes < kPanelOutputs) std::memset(start, 0, static_cast<std::size_t>(layout.panel_bytes));
    const std::int64_t whole = k / block.k;  // all blocks but half a pair of bf16
    for (std::int64_t b = 0; b < whole; b += kRun) {
      for (int lane = 0; lane < lanes; ++lane)
        pack_blocks(format, rows + (panel * kPanelOutputs + lane) * stride + b * stored_bytes, stored_bytes,
                    place_of(layout, block, out, panel, b), std::min(kRun, whole - b), lane);
    }
    for (int lane = 0; lane < lanes && whole < layout.blocks; ++lane) {
      const std::uint8_t* last = rows + (panel * kPanelOutputs + lane) * stride + whole * stored_bytes;
      const std::uint8_t padded[4] = {last[0], last[1], 0, 0};
      pack_blocks(format, padded, stored_bytes, place_of(layout, block, out, panel, whole), 1, lane);
    }
  }
}

PackedWeight::PackedWeight(const TensorView& source) : storage_(DType::u8, {packed_bytes(source)}), view_(source) {
  view_.layout = Layout::panel16;
  view_.strides = {};
  view_.data = storage_.view().data;
  pack_panels(source, view_.data, {0, (source.dim(0) + kPanelOutputs - 1) / kPanelOutputs});
}

void unpack_row(const TensorView& packed, std::int64_t n, std::span<float> out) {
  const PanelFormat format = panel_format(packed.dtype);
  const PanelBlock block = panel_block(format);
  const PanelLayout layout = panel_layout(format, packed.dim(1));
  std::uint8_t stored[kMaxStoredBlock];
  for (std::int64_t b = 0; b < layout.blocks; ++b) {
    unpack_block(format, place_of(layout, block, packed.data, n / kPanelOutputs, b),
                 static_cast<int>(n % kPanelOutputs), stored);
    const std::int64_t begin = b * block.k, count = std::min(block.k, packed.dim(1) - begin);
    decode_row(packed.dtype, stored, out.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)));
  }
}

}  // namespace cairn
