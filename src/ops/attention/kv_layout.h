// Where the elements of a paged KV cache lie.
//
// A cache tensor of one layer has the logical shape [num_blocks, kv_heads, block_size, head_dim], bf16 or f32. Inside a
// block and head the tokens stand in groups of 16 (block_size is a multiple of 16), and a group's 16 * head_dim
// elements are ordered for 16-lane kernels:
//   keys    [head_dim / 2, 16 tokens, 2 dims]: a lane a token, so 16 scores come from dot products of dim pairs;
//   values  [8 token pairs, head_dim, 2 tokens]: a lane a dim, two tokens in each 32-bit lane.
// Pairs fill 32-bit lanes with two bf16, the operand form of bf16 dot instructions; f32 keeps the same order of
// indices.
#pragma once

#include <cstdint>

namespace cairn {

inline constexpr std::int64_t kKvGroup = 16;

/// Elements from the start of a block to the group of 16 tokens that holds `token` (0 .. block_size - 1).
constexpr __attribute__((always_inline)) std::int64_t kv_group_offset(std::int64_t head, std::int64_t token,
                                                                      std::int64_t block_size, std::int64_t head_dim) {
  return (head * block_size + token / kKvGroup * kKvGroup) * head_dim;
}

/// Elements from the start of a group of keys to (token of the group 0..15, dim).
constexpr __attribute__((always_inline)) std::int64_t k_in_group(std::int64_t token, std::int64_t dim) {
  return (dim / 2 * kKvGroup + token) * 2 + dim % 2;
}

/// Elements from the start of a group of values to (token of the group 0..15, dim).
constexpr __attribute__((always_inline)) std::int64_t v_in_group(std::int64_t token, std::int64_t dim,
                                                                 std::int64_t head_dim) {
  return (token / 2 * head_dim + dim) * 2 + token % 2;
}

}  // namespace cairn
