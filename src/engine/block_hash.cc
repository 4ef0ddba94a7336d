#include "engine/block_hash.h"

#include <bit>
#include <cstring>
#include <random>
#include <vector>

namespace cairn {
namespace {

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void rounds(int count) {
    for (int i = 0; i < count; ++i) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }
  void absorb(std::uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
};

std::uint64_t random_word(std::random_device& entropy) {
  return (static_cast<std::uint64_t>(entropy()) << 32) | entropy();
}

}  // namespace

BlockHash siphash128(const std::array<std::uint64_t, 2>& key, std::span<const std::byte> bytes) {
  SipState state{key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xeeu, key[0] ^ 0x6c7967656e657261u,
                 key[1] ^ 0x7465646279746573u};
  const std::size_t whole = bytes.size() / 8 * 8;
  for (std::size_t i = 0; i < whole; i += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    state.absorb(word);
  }
  std::uint64_t tail = static_cast<std::uint64_t>(bytes.size()) << 56;
  for (std::size_t i = whole; i < bytes.size(); ++i) {
    tail |= static_cast<std::uint64_t>(bytes[i]) << (8 * (i - whole));
  }
  state.absorb(tail);
  state.v2 ^= 0xeeu;
  state.rounds(4);
  BlockHash hash;
  hash.low = state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
  state.v1 ^= 0xddu;
  state.rounds(4);
  hash.high = state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
  return hash;
}

BlockHasher::BlockHasher() {
  std::random_device entropy;
  key_ = {random_word(entropy), random_word(entropy)};
}

BlockHash BlockHasher::root(std::string_view cache_salt) const {
  return siphash128(key_, std::as_bytes(std::span(cache_salt)));
}

BlockHash BlockHasher::next(const BlockHash& parent, std::span<const int> tokens) const {
  thread_local std::vector<std::byte> bytes;  // scratch: hashing runs once a block, on any thread
  bytes.resize(sizeof(parent) + tokens.size_bytes());
  std::memcpy(bytes.data(), &parent, sizeof(parent));
  std::memcpy(bytes.data() + sizeof(parent), tokens.data(), tokens.size_bytes());
  return siphash128(key_, bytes);
}

}  // namespace cairn
