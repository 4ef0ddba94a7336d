// Where the elements of a paged KV cache lie.
//
// A cache tensor of one layer has the logical shape [num_blocks, kv_heads, block_size, head_dim] (kv_cache.h gives the
// stored one). Inside a block and head the tokens stand in groups of 16 (block_size is a multiple of 16), and a group's
// 16 * head_dim elements are ordered for 16-lane kernels, in operands of 16 lanes by two elements:
//   keys    [head_dim / 2] operands: a lane a token, its two elements neighbouring dims;
//   values  [8 token pairs, head_dim / 16] operands: a lane a dim, its two elements neighbouring tokens.
// In an operand the elements stand in pairs (lane by lane) where kernels multiply pairs, as those of bf16 do: bf16, i8
// and f8_e4m3. Else 16 first elements are followed by 16 second ones: f32 and f16. Behind the elements of an i8 group
// lie the 16 f32 scales of its tokens, so that a block stays one piece.
#pragma once

#include <cstdint>

namespace cairn {

inline constexpr std::int64_t kKvGroup = 16;

/// Element types of a cache; index of the kernels' tables.
enum class KvType : std::uint8_t { f32, f16, bf16, i8, f8_e4m3 };
inline constexpr int kKvTypes = 5;

/// Elements from the start of an operand to element `which` (0 or 1) of a lane.
constexpr __attribute__((always_inline)) std::int64_t kv_in_operand(std::int64_t lane, std::int64_t which, bool pairs) {
  return pairs ? lane * 2 + which : which * kKvGroup + lane;
}

/// Elements from the start of a group of keys to (token of the group 0..15, dim).
constexpr __attribute__((always_inline)) std::int64_t k_in_group(std::int64_t token, std::int64_t dim, bool pairs) {
  return dim / 2 * 2 * kKvGroup + kv_in_operand(token, dim % 2, pairs);
}

/// Elements from the start of a group of values to (token of the group 0..15, dim).
constexpr __attribute__((always_inline)) std::int64_t v_in_group(std::int64_t token, std::int64_t dim,
                                                                 std::int64_t head_dim, bool pairs) {
  return (token / 2 * head_dim + dim / 16 * 16) * 2 + kv_in_operand(dim % 16, token % 2, pairs);
}

}  // namespace cairn
