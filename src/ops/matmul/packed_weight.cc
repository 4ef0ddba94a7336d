#include "ops/matmul/packed_weight.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "ops/matmul/pack_blocks.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

// Blocks packed of one output before the next output's: the panel's part stays in the nearest cache.
constexpr std::int64_t kRun = 64;

BlockPlace place_of(const PanelLayout& layout, const PanelBlock& block, std::byte* panel, std::int64_t b) {
  auto* start = reinterpret_cast<std::uint8_t*>(panel);
  return {start + b * block.scale_bytes, start + layout.quant_offset + b * block.quant_bytes};
}

}  // namespace

namespace {

// A stored type's format, and its block unless it is coded: then the type's description gives it.
struct StoredFormat {
  PanelFormat format;
  PanelBlock block;
};

StoredFormat stored_format(DType dtype) {
  using enum PanelFormat;
  constexpr PanelScales each_32 = {PanelScales::Type::f16, 0, 32};
  switch (dtype) {
    case DType::f32:
      return {f32, {1, 0, 64}};
    case DType::f16:
      return {f16, {1, 0, 32}};
    case DType::bf16:
      return {bf16, {2, 0, 64}};
    case DType::q8_0:
      return {int8, {32, 32, 512, 0, each_32}};
    case DType::q4_0:
      return {int4, {32, 32, 256, 0, each_32}};
    case DType::q4_1:
      return {q4_1, {32, 64, 256}};
    case DType::q4_k:
      return {q4_k, {256, 320, 2048}};
    case DType::q5_k:
      return {q5_k, {256, 320, 2560}};
    case DType::q6_k:
      return {q6_k, {256, 288, 3072}};
    default:
      fail(ErrorKind::unsupported, "{} is not supported as a matmul weight", name(dtype));
  }
}

PanelBlock coded_block(const DTypeInfo& type) {
  PanelBlock block;
  block.k = type.block_elements;
  block.quant_bytes = kPanelOutputs * block.k / (type.codes == Codes::i4 || type.codes == Codes::u4 ? 2 : 1);
  block.scale_bytes = kPanelOutputs * type.block_bytes - block.quant_bytes;
  block.tail_bytes = kPanelOutputs * type.row_tail;
  block.scales.type = type.scale == DType::f16    ? PanelScales::Type::f16
                      : type.scale == DType::bf16 ? PanelScales::Type::bf16
                                                  : PanelScales::Type::f32;
  block.scales.stride = block.scale_bytes;
  block.scales.shift = type.row_tail > 0 ? kWholeK : std::countr_zero(static_cast<std::uint64_t>(block.k / 32));
  return block;
}

}  // namespace

PanelFormat panel_format(DType dtype) {
  switch (info(dtype).codes) {
    case Codes::i8:
      return PanelFormat::int8;
    case Codes::i4:
      return PanelFormat::int4;
    case Codes::u4:
      return PanelFormat::uint4;
    case Codes::e4m3:
      return PanelFormat::f8;
    case Codes::none:
      break;
  }
  return stored_format(dtype).format;
}

PanelBlock panel_block(DType dtype) { return is_coded(dtype) ? coded_block(info(dtype)) : stored_format(dtype).block; }
PanelLayout panel_layout(DType dtype, std::int64_t k) { return panel_layout(panel_block(dtype), k); }

std::int64_t packed_bytes(DType dtype, std::int64_t n, std::int64_t k) {
  const PanelBlock block = panel_block(dtype);
  if (n < 0 || k < 0 || k % info(dtype).block_elements != 0)
    fail_invalid("cannot pack a weight [{}, {}]: the columns of {} come in blocks of {}", n, k, name(dtype),
                 info(dtype).block_elements);
  constexpr std::int64_t limit = std::int64_t{1} << 48;  // bytes; keeps every product below in range
  if (n > limit || k > limit / 128) fail_invalid("cannot pack a weight [{}, {}]: too large", n, k);
  const std::int64_t panels = (n + kPanelOutputs - 1) / kPanelOutputs, bytes = panel_layout(block, k).panel_bytes;
  if (bytes > 0 && panels > limit / bytes) fail_invalid("cannot pack a weight [{}, {}]: too large", n, k);
  return panels * bytes;
}

std::int64_t packed_bytes(const TensorView& weight) {
  if (weight.shape.rank() != 2) fail_invalid("a matmul weight has rank 2, not {}", to_string(weight.shape));
  return packed_bytes(weight.dtype, weight.dim(0), weight.dim(1));
}

namespace {

// One panel of `lanes` stored rows, `stride` bytes apart.
void pack_panel(DType dtype, std::int64_t k, const std::uint8_t* rows, std::int64_t stride, int lanes,
                std::byte* panel) {
  const PanelFormat format = panel_format(dtype);
  const PanelBlock block = panel_block(dtype);
  const PanelLayout layout = panel_layout(block, k);
  const std::int64_t stored_bytes = row_bytes(dtype, block.k) - info(dtype).row_tail;
  if (lanes < kPanelOutputs) std::memset(panel, 0, static_cast<std::size_t>(layout.panel_bytes));
  const std::int64_t whole = k / block.k;  // all blocks but half a pair of bf16
  for (std::int64_t b = 0; b < whole; b += kRun)
    for (int lane = 0; lane < lanes; ++lane)
      pack_blocks(format, rows + lane * stride + b * stored_bytes, stored_bytes, place_of(layout, block, panel, b),
                  block, std::min(kRun, whole - b), lane);
  for (int lane = 0; lane < lanes && whole < layout.blocks; ++lane) {
    const std::uint8_t* last = rows + lane * stride + whole * stored_bytes;
    const std::uint8_t padded[4] = {last[0], last[1], 0, 0};
    pack_blocks(format, padded, stored_bytes, place_of(layout, block, panel, whole), block, 1, lane);
  }
  const int tail = info(dtype).row_tail;
  for (int lane = 0; lane < lanes && tail > 0; ++lane)
    std::memcpy(panel + lane * tail, rows + lane * stride + whole * stored_bytes, static_cast<std::size_t>(tail));
}

}  // namespace

void pack_panels(const TensorView& source, std::byte* out, Range panels) {
  const std::int64_t n = source.dim(0), k = source.dim(1);
  const std::int64_t panel_bytes = panel_layout(source.dtype, k).panel_bytes;
  const std::int64_t stride = row_bytes(source.dtype, source.source ? k : source.strides[0]);
  std::vector<std::byte> made(source.source ? static_cast<std::size_t>(kPanelOutputs * stride) : 0);
  for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const std::int64_t first = panel * kPanelOutputs, lanes = std::min(kPanelOutputs, n - first);
    if (source.source) source.source->read(first, lanes, made.data());
    const std::byte* rows = source.source ? made.data() : source.data + first * stride;
    pack_panel(source.dtype, k, reinterpret_cast<const std::uint8_t*>(rows), stride, static_cast<int>(lanes),
               out + panel * panel_bytes);
  }
}

PackedWeight::PackedWeight(const TensorView& source) : storage_(DType::u8, {packed_bytes(source)}), view_(source) {
  view_.layout = Layout::panel16;
  view_.strides = {};
  view_.source = nullptr;
  view_.data = storage_.view().data;
  pack_panels(source, view_.data, {0, panels_of(source)});
}

void unpack_row(const TensorView& packed, std::int64_t n, std::span<float> out) {
  const PanelFormat format = panel_format(packed.dtype);
  const PanelBlock block = panel_block(packed.dtype);
  const PanelLayout layout = panel_layout(block, packed.dim(1));
  std::byte* panel = packed.data + n / kPanelOutputs * layout.panel_bytes;
  const auto lane = static_cast<int>(n % kPanelOutputs);
  std::uint8_t stored[kMaxStoredBlock];
  for (std::int64_t b = 0; b < layout.blocks; ++b) {
    unpack_block(format, place_of(layout, block, panel, b), block, lane, stored);
    const std::int64_t begin = b * block.k, count = std::min(block.k, packed.dim(1) - begin);
    decode_blocks(packed.dtype, stored, panel + lane * info(packed.dtype).row_tail,
                  out.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)));
  }
}

}  // namespace cairn
