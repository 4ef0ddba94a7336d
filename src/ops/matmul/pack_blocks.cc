#include "ops/matmul/pack_blocks.h"

#include <cstring>

namespace cairn {
namespace {

constexpr std::uint32_t kLow = 0x0F0F0F0Fu;

std::uint32_t word_at(const std::uint8_t* p) {
  std::uint32_t word;
  std::memcpy(&word, p, 4);
  return word;
}
void put_word(std::uint8_t* p, std::uint32_t word) { std::memcpy(p, &word, 4); }

// Four bytes of a lane in vector `i` of a block's quants.
std::uint8_t* lane_word(std::uint8_t* quants, int i, int lane) { return quants + 64 * i + 4 * lane; }

template <std::size_t kBytes>
void copy(void* to, const void* from) {
  std::memcpy(to, from, kBytes);
}

// Each format has pack and unpack, field by field in the same order. Stored layouts: ggml-common.h, tensor/dtype.h.

template <std::size_t kBytes>
struct Plain {  // f32, f16, and pairs of bf16
  static void pack(const std::uint8_t* b, BlockPlace to, const PanelBlock&, int lane) {
    copy<kBytes>(to.quants + lane * static_cast<int>(kBytes), b);
  }
  static void unpack(BlockPlace from, const PanelBlock&, int lane, std::uint8_t* b) {
    copy<kBytes>(b, from.quants + lane * static_cast<int>(kBytes));
  }
};

std::uint32_t same(std::uint32_t word) { return word; }
std::uint32_t offset_128(std::uint32_t word) { return word ^ 0x80808080u; }
std::uint32_t inner_bytes_swapped(std::uint32_t word) {
  return (word & 0xFF0000FFu) | ((word & 0xFF00u) << 8) | ((word >> 8) & 0xFF00u);
}

// A scale (and zero point) where the block begins with it, then words of codes, each turned by its own inverse.
template <std::uint32_t (*kTurn)(std::uint32_t)>
struct Coded {
  static void pack(const std::uint8_t* b, BlockPlace to, const PanelBlock& block, int lane) {
    const std::int64_t bytes = block.scale_bytes / kPanelOutputs, scale = bytes & ~std::int64_t{1};
    std::memcpy(to.scales + scale * lane, b, static_cast<std::size_t>(scale));
    if (bytes > scale) to.scales[scale * kPanelOutputs + lane] = b[scale];
    b += bytes;
    for (int i = 0; i < words(block); ++i) put_word(lane_word(to.quants, i, lane), kTurn(word_at(b + 4 * i)));
  }
  static void unpack(BlockPlace from, const PanelBlock& block, int lane, std::uint8_t* b) {
    const std::int64_t bytes = block.scale_bytes / kPanelOutputs, scale = bytes & ~std::int64_t{1};
    std::memcpy(b, from.scales + scale * lane, static_cast<std::size_t>(scale));
    if (bytes > scale) b[scale] = from.scales[scale * kPanelOutputs + lane];
    b += bytes;
    for (int i = 0; i < words(block); ++i) put_word(b + 4 * i, kTurn(word_at(lane_word(from.quants, i, lane))));
  }
  static std::int64_t words(const PanelBlock& block) { return block.quant_bytes / kPanelOutputs / 4; }
};

struct Q41 {
  static constexpr int kHeader = 4;  // bytes of d and m
  static void pack(const std::uint8_t* b, BlockPlace to, const PanelBlock&, int lane) {
    for (int h = 0; h < kHeader; h += 2) copy<2>(to.scales + 16 * h + 2 * lane, b + h);
    for (int q = 0; q < 4; ++q) put_word(lane_word(to.quants, q, lane), word_at(b + kHeader + 4 * q));
  }
  static void unpack(BlockPlace from, const PanelBlock&, int lane, std::uint8_t* b) {
    for (int h = 0; h < kHeader; h += 2) copy<2>(b + h, from.scales + 16 * h + 2 * lane);
    for (int q = 0; q < 4; ++q) put_word(b + kHeader + 4 * q, word_at(lane_word(from.quants, q, lane)));
  }
};

// The scale and minimum bytes of sub-block j in the scales of q4_k and q5_k.
std::uint8_t* k_scale(std::uint8_t* scales, int j, int lane) { return scales + 64 + 32 * j + lane; }

void pack_k_header(const std::uint8_t* b, std::uint8_t* scales, int lane) {
  copy<2>(scales + 2 * lane, b);
  copy<2>(scales + 32 + 2 * lane, b + 2);
  const std::uint8_t* packed = b + 4;
  for (int j = 0; j < 4; ++j) {
    k_scale(scales, j, lane)[0] = packed[j] & 63;
    k_scale(scales, j, lane)[16] = packed[j + 4] & 63;
    k_scale(scales, j + 4, lane)[0] = static_cast<std::uint8_t>((packed[j + 8] & 15) | ((packed[j] >> 6) << 4));
    k_scale(scales, j + 4, lane)[16] = static_cast<std::uint8_t>((packed[j + 8] >> 4) | ((packed[j + 4] >> 6) << 4));
  }
}
void unpack_k_header(std::uint8_t* scales, int lane, std::uint8_t* b) {
  copy<2>(b, scales + 2 * lane);
  copy<2>(b + 2, scales + 32 + 2 * lane);
  std::uint8_t* packed = b + 4;
  for (int j = 0; j < 4; ++j) {
    const int scale = k_scale(scales, j + 4, lane)[0], minimum = k_scale(scales, j + 4, lane)[16];
    packed[j] = static_cast<std::uint8_t>(k_scale(scales, j, lane)[0] | ((scale >> 4) << 6));
    packed[j + 4] = static_cast<std::uint8_t>(k_scale(scales, j, lane)[16] | ((minimum >> 4) << 6));
    packed[j + 8] = static_cast<std::uint8_t>((scale & 15) | ((minimum & 15) << 4));
  }
}

// Stored: byte l of group g has k = l of sub-block 2g in its low nibble, of 2g + 1 in its high one. Packed: a sub-block
// has its own four vectors.
void pack_k_nibbles(const std::uint8_t* stored, std::uint8_t* quants, std::int64_t block_bytes, int lane) {
  for (int g = 0; g < 4; ++g) {
    for (int q = 0; q < 4; ++q) {
      const std::uint32_t first = word_at(stored + 32 * g + 4 * q), second = word_at(stored + 32 * g + 16 + 4 * q);
      put_word(lane_word(quants + 2 * g * block_bytes, q, lane), (first & kLow) | ((second & kLow) << 4));
      put_word(lane_word(quants + (2 * g + 1) * block_bytes, q, lane), ((first >> 4) & kLow) | (second & ~kLow));
    }
  }
}
void unpack_k_nibbles(std::uint8_t* quants, std::int64_t block_bytes, int lane, std::uint8_t* stored) {
  for (int g = 0; g < 4; ++g) {
    for (int q = 0; q < 4; ++q) {
      const std::uint32_t even = word_at(lane_word(quants + 2 * g * block_bytes, q, lane));
      const std::uint32_t odd = word_at(lane_word(quants + (2 * g + 1) * block_bytes, q, lane));
      put_word(stored + 32 * g + 4 * q, (even & kLow) | ((odd & kLow) << 4));
      put_word(stored + 32 * g + 16 + 4 * q, ((even >> 4) & kLow) | (odd & ~kLow));
    }
  }
}

struct Q4K {
  static void pack(const std::uint8_t* b, BlockPlace to, const PanelBlock&, int lane) {
    pack_k_header(b, to.scales, lane);
    pack_k_nibbles(b + 16, to.quants, 256, lane);
  }
  static void unpack(BlockPlace from, const PanelBlock&, int lane, std::uint8_t* b) {
    unpack_k_header(from.scales, lane, b);
    unpack_k_nibbles(from.quants, 256, lane, b + 16);
  }
};

struct Q5K {
  static constexpr std::uint32_t kBit = 0x01010101u;
  static void pack(const std::uint8_t* b, BlockPlace to, const PanelBlock&, int lane) {
    pack_k_header(b, to.scales, lane);
    pack_k_nibbles(b + 48, to.quants, 320, lane);
    for (int s = 0; s < 8; ++s) {
      std::uint32_t bits = 0;
      for (int q = 0; q < 8; ++q) bits |= ((word_at(b + 16 + 4 * q) >> s) & kBit) << q;
      put_word(lane_word(to.quants + 320 * s, 4, lane), bits);
    }
  }
  static void unpack(BlockPlace from, const PanelBlock&, int lane, std::uint8_t* b) {
    unpack_k_header(from.scales, lane, b);
    unpack_k_nibbles(from.quants, 320, lane, b + 48);
    for (int q = 0; q < 8; ++q) {
      std::uint32_t bits = 0;
      for (int s = 0; s < 8; ++s) bits |= ((word_at(lane_word(from.quants + 320 * s, 4, lane)) >> q) & kBit) << s;
      put_word(b + 16 + 4 * q, bits);
    }
  }
};

struct Q6K {
  static constexpr std::uint32_t kTwo = 0x03030303u;
  // Sub-block s = 4 * half + part of 32 k: its low nibbles lie at ql[64 half + 32 (part % 2)], its upper bits at qh[32
  // half].
  static const std::uint8_t* low(const std::uint8_t* b, int s) { return b + 64 * (s / 4) + 32 * (s % 2); }
  static const std::uint8_t* high(const std::uint8_t* b, int s) { return b + 128 + 32 * (s / 4); }
  static void pack(const std::uint8_t* b, BlockPlace to, const PanelBlock&, int lane) {
    copy<2>(to.scales + 2 * lane, b + 208);
    for (int i = 0; i < 16; ++i) to.scales[32 + 16 * i + lane] = b[192 + i];
    for (int s = 0; s < 8; ++s) {
      std::uint8_t* quants = to.quants + 384 * s;
      const int nibble = s % 4 < 2 ? 0 : 4, shift = 2 * (s % 4);
      auto low_word = [&](int q) { return (word_at(low(b, s) + 4 * q) >> nibble) & kLow; };
      for (int q = 0; q < 4; ++q) put_word(lane_word(quants, q, lane), low_word(q) | (low_word(q + 4) << 4));
      for (int t = 0; t < 2; ++t) {
        std::uint32_t bits = 0;
        for (int i = 0; i < 4; ++i) bits |= ((word_at(high(b, s) + 4 * (4 * t + i)) >> shift) & kTwo) << (2 * i);
        put_word(lane_word(quants, 4 + t, lane), bits);
      }
    }
  }
  static void unpack(BlockPlace from, const PanelBlock&, int lane, std::uint8_t* b) {
    std::memset(b, 0, 192);
    copy<2>(b + 208, from.scales + 2 * lane);
    for (int i = 0; i < 16; ++i) b[192 + i] = from.scales[32 + 16 * i + lane];
    auto merge = [](const std::uint8_t* at, std::uint32_t bits) {
      put_word(const_cast<std::uint8_t*>(at), word_at(at) | bits);
    };
    for (int s = 0; s < 8; ++s) {
      std::uint8_t* quants = from.quants + 384 * s;
      const int nibble = s % 4 < 2 ? 0 : 4, shift = 2 * (s % 4);
      for (int q = 0; q < 4; ++q) {
        const std::uint32_t word = word_at(lane_word(quants, q, lane));
        merge(low(b, s) + 4 * q, (word & kLow) << nibble);
        merge(low(b, s) + 16 + 4 * q, ((word >> 4) & kLow) << nibble);
      }
      for (int q = 0; q < 8; ++q)
        merge(high(b, s) + 4 * q, ((word_at(lane_word(quants, 4 + q / 4, lane)) >> (2 * (q % 4))) & kTwo) << shift);
    }
  }
};

template <typename Format>
void pack_run(const std::uint8_t* source, std::int64_t stored_bytes, BlockPlace to, const PanelBlock& block,
              std::int64_t count, int lane) {
  for (std::int64_t i = 0; i < count; ++i)
    Format::pack(source + i * stored_bytes, {to.scales + i * block.scale_bytes, to.quants + i * block.quant_bytes},
                 block, lane);
}

struct BlockFunctions {
  void (*pack)(const std::uint8_t*, std::int64_t, BlockPlace, const PanelBlock&, std::int64_t, int);
  void (*unpack)(BlockPlace, const PanelBlock&, int, std::uint8_t*);
};
template <typename Format>
constexpr BlockFunctions functions_of = {pack_run<Format>, Format::unpack};
// In the order of PanelFormat.
constexpr BlockFunctions kFunctions[kPanelFormats] = {
    functions_of<Plain<4>>,
    functions_of<Plain<2>>,
    functions_of<Plain<4>>,
    functions_of<Plain<4>>,
    functions_of<Coded<inner_bytes_swapped>>,
    functions_of<Coded<inner_bytes_swapped>>,
    functions_of<Coded<offset_128>>,
    functions_of<Coded<same>>,
    functions_of<Coded<same>>,
    functions_of<Q41>,
    functions_of<Q4K>,
    functions_of<Q5K>,
    functions_of<Q6K>,
};

}  // namespace

void pack_blocks(PanelFormat format, const std::uint8_t* source, std::int64_t stored_bytes, BlockPlace to,
                 const PanelBlock& block, std::int64_t count, int lane) {
  kFunctions[static_cast<int>(format)].pack(source, stored_bytes, to, block, count, lane);
}

void unpack_block(PanelFormat format, BlockPlace from, const PanelBlock& block, int lane, std::uint8_t* out) {
  kFunctions[static_cast<int>(format)].unpack(from, block, lane, out);
}

}  // namespace cairn
