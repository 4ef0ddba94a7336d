// Content hashes of full KV blocks, chained so that a block's hash stands for the whole prefix that ends in it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace cairn {

struct BlockHash {
  std::uint64_t low = 0, high = 0;
  bool operator==(const BlockHash&) const = default;
};

struct BlockHashOf {
  std::size_t operator()(const BlockHash& hash) const noexcept { return static_cast<std::size_t>(hash.low); }
};

/// SipHash-2-4 with 128-bit output (Aumasson and Bernstein, 2012), keyed at random per object: whoever does not know
/// the key cannot make two prefixes collide, so no request can be served another's cache. Immutable; thread-safe.
class BlockHasher {
 public:
  /// Draws the key from the system's entropy.
  BlockHasher();

  /// What the first block of a prompt continues. Requests with different salts share no block.
  BlockHash root(std::string_view cache_salt) const;
  /// Hash of a full block of `tokens` that follows a block of hash `parent`.
  BlockHash next(const BlockHash& parent, std::span<const int> tokens) const;

 private:
  std::array<std::uint64_t, 2> key_;
};

/// SipHash-2-4-128 of `bytes` under `key`.
BlockHash siphash128(const std::array<std::uint64_t, 2>& key, std::span<const std::byte> bytes);

}  // namespace cairn
