// How a packed weight lies in memory. Plain constants, shared by the packing code and the kernels of every instruction
// set.
//
// A weight [N, K] is cut into panels of 16 outputs; in a panel a vector's lane is an output. Panels follow each other,
// N is padded to a multiple of 16 with zero weights, and a panel is contiguous over all of K, so that matrix-vector
// work reads one sequential stream. A panel holds first the scales of all its blocks, then the quants of all its
// blocks, each part padded to 64 bytes: every vector of quants is one aligned load, and whoever prefetches straight
// ahead meets a panel's scales before its quants.
//
// Quants are in dot order: a vector of 64 bytes is 16 lanes x 4 consecutive k (a "quad"), a block of 32 k has quads
// 0..7.
//   f32    a vector a k: 16 f32                     f16    16 f16 a k
//   bf16   a vector two k: 16 lanes x 2 (an odd K is padded with a zero)
//   int8   per 32 k: 8 quads of u8 = weight + 128                            scales: 16 d a group
//   int4   per 32 k: 4 vectors, low nibbles quads 0..3, high nibbles 4..7    scales: 16 d a group
//   uint4  the same                                                          scales: 16 d, 16 u8 zero points a group
//   q4_1   the same                                                          scales: 16 f16 d, 16 f16 m
//   f8     per 4 k: a vector of e4m3, in a lane k = 0, 2, 1, 3: a shift and a mask give the pairs that bf16 products
//   take
//                                                                            scales: 16 d a group
//   q4_k   the same per 32 k                scales per 256 k: 16 f16 d, 16 f16 dmin, 8 x (16 u8 scale, 16 u8 minimum)
//   q5_k   q4_k's nibbles, then one vector whose byte b holds in bit q the fifth bit of k = 4q + b;  scales as q4_k
//   q6_k   q4_k's nibbles, then two vectors t = 0, 1 whose byte b holds in bits 2i, 2i+1 the upper bits of quad 4t + i
//                                           scales per 256 k: 16 f16 d, 16 x (16 i8 scale), a scale for each 16 k
//
// int8, int4, uint4 and f8 are the kernels of several stored types, which differ in the group of k that shares a scale
// (32, 64, 128, or all of K: one f32 an output) and in the scales' type; PanelScales tells, at run time.
#pragma once

#include <cstdint>

namespace cairn {

inline constexpr std::int64_t kPanelOutputs = 16;
/// Raised when a packed weight's bytes change: files of packed weights carry it.
inline constexpr int kPanelLayoutVersion = 1;

/// What a kernel reads: the packed format, and for bf16 and f8 also which activations it takes (dot: bf16, else f32).
enum class PanelFormat : std::uint8_t {
  f32,
  f16,
  bf16,
  bf16_dot,
  f8,
  f8_dot,
  int8,
  int4,
  uint4,
  q4_1,
  q4_k,
  q5_k,
  q6_k
};
inline constexpr int kPanelFormats = 13;
/// Whether its kernels multiply int8 activations; those of the others take f32 or bf16.
constexpr bool takes_int8(PanelFormat format) { return format >= PanelFormat::int8; }

/// The scales of int8, int4, uint4 and f8: those of 16 outputs and a group of k are `stride` bytes after the last
/// group's.
struct PanelScales {
  enum class Type : std::uint8_t { f16, bf16, f32 };
  Type type = Type::f16;
  int shift = 0;  // a group is 32 << shift k
  std::int64_t stride = 0;
};
inline constexpr int kWholeK = 58;  // shift of a group that is all of K

struct PanelBlock {
  std::int64_t k = 1;            // k in a block
  std::int64_t scale_bytes = 0;  // of a block, for 16 outputs
  std::int64_t quant_bytes = 0;
  std::int64_t tail_bytes = 0;  // of scales that are there once
  PanelScales scales;
};

struct PanelLayout {
  std::int64_t blocks = 0;        // ceil(K / block)
  std::int64_t quant_offset = 0;  // of the quants inside the panel
  std::int64_t panel_bytes = 0;
  PanelScales scales;
};

constexpr PanelLayout panel_layout(const PanelBlock& block, std::int64_t k) {
  auto align = [](std::int64_t bytes) { return (bytes + 63) / 64 * 64; };
  PanelLayout layout;
  layout.blocks = (k + block.k - 1) / block.k;
  layout.quant_offset = align(layout.blocks * block.scale_bytes + block.tail_bytes);
  layout.panel_bytes = layout.quant_offset + align(layout.blocks * block.quant_bytes);
  layout.scales = block.scales;
  return layout;
}

}  // namespace cairn
