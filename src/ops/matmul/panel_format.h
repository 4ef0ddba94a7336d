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
//   q8_0   per 32 k: 8 quads of u8 = weight + 128                            scales: 16 f16 d
//   q4_0   per 32 k: 4 vectors, low nibbles quads 0..3, high nibbles 4..7    scales: 16 f16 d
//   q4_1   the same                                                          scales: 16 f16 d, 16 f16 m
//   q4_k   the same per 32 k                scales per 256 k: 16 f16 d, 16 f16 dmin, 8 x (16 u8 scale, 16 u8 minimum)
//   q5_k   q4_k's nibbles, then one vector whose byte b holds in bit q the fifth bit of k = 4q + b;  scales as q4_k
//   q6_k   q4_k's nibbles, then two vectors t = 0, 1 whose byte b holds in bits 2i, 2i+1 the upper bits of quad 4t + i
//                                           scales per 256 k: 16 f16 d, 16 x (16 i8 scale), a scale for each 16 k
#pragma once

#include <cstdint>

namespace cairn {

inline constexpr std::int64_t kPanelOutputs = 16;
/// Raised when a packed weight's bytes change: files of packed weights carry it.
inline constexpr int kPanelLayoutVersion = 1;

/// What a kernel reads: the weight's format, and for bf16 also which activations it takes.
enum class PanelFormat : std::uint8_t { f32, f16, bf16, bf16_dot, q8_0, q4_0, q4_1, q4_k, q5_k, q6_k };
inline constexpr int kPanelFormats = 10;

struct PanelBlock {
  std::int64_t k = 1;            // k in a block
  std::int64_t scale_bytes = 0;  // of a block, for 16 outputs
  std::int64_t quant_bytes = 0;
};

constexpr PanelBlock panel_block(PanelFormat format) {
  constexpr PanelBlock table[kPanelFormats] = {
      {1, 0, 64},    {1, 0, 32},    {2, 0, 64},       {2, 0, 64},       {32, 32, 512},
      {32, 32, 256}, {32, 64, 256}, {256, 320, 2048}, {256, 320, 2560}, {256, 288, 3072},
  };
  return table[static_cast<int>(format)];
}

struct PanelLayout {
  std::int64_t blocks = 0;        // ceil(K / block)
  std::int64_t quant_offset = 0;  // of the quants inside the panel
  std::int64_t panel_bytes = 0;
};

constexpr PanelLayout panel_layout(PanelFormat format, std::int64_t k) {
  const PanelBlock block = panel_block(format);
  auto align = [](std::int64_t bytes) { return (bytes + 63) / 64 * 64; };
  PanelLayout layout;
  layout.blocks = (k + block.k - 1) / block.k;
  layout.quant_offset = align(layout.blocks * block.scale_bytes);
  layout.panel_bytes = layout.quant_offset + align(layout.blocks * block.quant_bytes);
  return layout;
}

}  // namespace cairn
