#include "engine/block_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "base/error.h"
#include "engine/kv_cache_manager.h"

namespace cairn {
namespace {

TEST(BlockHash, MatchesThePublishedSipHash128Vector) {
  // Reference vectors of the SipHash authors: key 00..0f, messages of 0 and 15 bytes 00, 01, …
  const std::array<std::uint64_t, 2> key = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
  std::vector<std::byte> message;
  const BlockHash empty = siphash128(key, message);
  EXPECT_EQ(empty.low, 0xe6a825ba047f81a3u);
  EXPECT_EQ(empty.high, 0x930255c71472f66du);
  for (int i = 0; i < 15; ++i) message.push_back(static_cast<std::byte>(i));
  const BlockHash fifteen = siphash128(key, message);
  EXPECT_EQ(fifteen.low, 0x11a8b03399e99354u);
  EXPECT_EQ(fifteen.high, 0xd9c3cf970fec087eu);
}

TEST(BlockHash, DependsOnSaltTokensPrefixAndKey) {
  const BlockHasher hasher, other;
  const std::array<int, 2> tokens = {1, 2}, swapped = {2, 1};
  const BlockHash root = hasher.root("");
  EXPECT_EQ(hasher.next(root, tokens), hasher.next(root, tokens));
  EXPECT_FALSE(hasher.next(root, tokens) == hasher.next(root, swapped));
  EXPECT_FALSE(hasher.next(root, tokens) == hasher.next(hasher.root("salt"), tokens));
  EXPECT_FALSE(hasher.next(hasher.next(root, tokens), tokens) == hasher.next(root, tokens));
  EXPECT_FALSE(other.next(root, tokens) == hasher.next(root, tokens)) << "each object draws its own key";
}

TEST(BlockPool, NeverGivesTheNullBlockAndRunsDry) {
  BlockPool pool(4);
  EXPECT_EQ(pool.capacity(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_GT(*pool.allocate(), 0);
  EXPECT_EQ(pool.num_free(), 0);
  EXPECT_FALSE(pool.allocate());
  EXPECT_THROW(BlockPool(1), Error);
}

TEST(BlockPool, FreeingASharedBlockKeepsIt) {
  BlockPool pool(3);
  const std::int32_t block = *pool.allocate();
  pool.touch(block);
  EXPECT_EQ(pool.num_shared(), 1);
  pool.free(std::array{block});
  EXPECT_EQ(pool.ref_count(block), 1);
  EXPECT_EQ(pool.num_shared(), 0);
  EXPECT_EQ(pool.num_free(), 1);
  pool.free(std::array{block});
  EXPECT_EQ(pool.num_free(), 2);
}

TEST(BlockPool, EvictsTheLeastRecentlyFreedAndForgetsItsContent) {
  BlockPool pool(4);
  const std::int32_t a = *pool.allocate(), b = *pool.allocate(), c = *pool.allocate();
  pool.set_hash(a, {1, 1});
  pool.set_hash(b, {2, 2});
  pool.set_hash(c, {3, 3});
  pool.free(std::array{b, a, c});
  EXPECT_EQ(pool.find({2, 2}), b) << "free blocks can still be hit";
  pool.touch(b);  // a hit takes it out of the queue
  EXPECT_EQ(pool.allocate(), a);
  EXPECT_FALSE(pool.find({1, 1}));
  EXPECT_EQ(pool.find({3, 3}), c);
  EXPECT_EQ(pool.allocate(), c);
  EXPECT_FALSE(pool.allocate());
}

TEST(BlockPool, KeepsTheSecondOfTwoBlocksWithTheSameContent) {
  BlockPool pool(3);
  const std::int32_t a = *pool.allocate(), b = *pool.allocate();
  pool.set_hash(a, {7, 7});
  pool.set_hash(b, {7, 7});
  pool.free(std::array{a});
  EXPECT_EQ(pool.allocate(), a);
  EXPECT_EQ(pool.find({7, 7}), b);
  pool.forget_cached(false);
  EXPECT_EQ(pool.find({7, 7}), b) << "owned blocks keep their content";
  pool.forget_cached(true);
  EXPECT_EQ(pool.num_cached(), 0);
}

std::shared_ptr<const RequestInfo> make_request(const KvCacheManager& kv, std::vector<int> prompt,
                                                const std::string& salt = "") {
  auto info = std::make_shared<RequestInfo>();
  info->root_hash = kv.root_hash(salt);
  info->prompt_hashes = kv.hash_blocks(info->root_hash, prompt);
  info->prompt = std::move(prompt);
  return info;
}

void compute_all(KvCacheManager& kv, Sequence& sequence) {
  const CachedPrefix prefix = kv.get_computed_blocks(sequence);
  ASSERT_TRUE(kv.allocate_slots(sequence, sequence.num_tokens() - prefix.num_tokens, prefix));
  sequence.num_computed_tokens = sequence.num_tokens();
  kv.register_full_blocks(sequence);
}

TEST(KvCacheManager, LeavesAtLeastOneTokenToCompute) {
  KvCacheManager kv(10, 4, true);
  Sequence first(make_request(kv, {1, 2, 3, 4, 5, 6, 7, 8}), 0);
  compute_all(kv, first);
  Sequence same(first.request, 0);
  EXPECT_EQ(kv.get_computed_blocks(same).num_tokens, 4) << "8 tokens are cached, but the last one's logits are needed";
  Sequence longer(make_request(kv, {1, 2, 3, 4, 5, 6, 7, 8, 9}), 0);
  EXPECT_EQ(kv.get_computed_blocks(longer).num_tokens, 8);
  Sequence salted(make_request(kv, {1, 2, 3, 4, 5, 6, 7, 8, 9}, "other"), 0);
  EXPECT_EQ(kv.get_computed_blocks(salted).num_tokens, 0);
}

TEST(KvCacheManager, HitsOutputBlocksOfAnEarlierTurn) {
  KvCacheManager kv(10, 4, true);
  Sequence first(make_request(kv, {1, 2, 3, 4, 5, 6}), 0);
  first.output = {7, 8, 9};
  compute_all(kv, first);
  kv.free(first);
  Sequence next_turn(make_request(kv, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), 0);
  EXPECT_EQ(kv.get_computed_blocks(next_turn).num_tokens, 8);
}

TEST(KvCacheManager, EvictsAPrefixFromItsTail) {
  KvCacheManager kv(4, 4, true);
  Sequence first(make_request(kv, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}), 0);
  compute_all(kv, first);
  kv.free(first);
  Sequence other(make_request(kv, {20, 21, 22, 23}), 0);
  compute_all(kv, other);
  Sequence again(make_request(kv, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}), 0);
  EXPECT_EQ(kv.get_computed_blocks(again).num_tokens, 8);
}

TEST(KvCacheManager, RefusingChangesNothing) {
  KvCacheManager kv(4, 4, true);
  Sequence holder(make_request(kv, {1, 2, 3, 4, 5, 6, 7, 8}), 0);
  compute_all(kv, holder);
  Sequence large(make_request(kv, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}), 0);
  const CachedPrefix prefix = kv.get_computed_blocks(large);
  EXPECT_EQ(prefix.num_tokens, 8);
  EXPECT_FALSE(kv.allocate_slots(large, 5, prefix));
  EXPECT_TRUE(large.block_table.empty());
  EXPECT_EQ(kv.num_shared(), 0);
  EXPECT_EQ(kv.num_used(), 2);
  // Hits that lie in the free queue do not count twice.
  kv.free(holder);
  EXPECT_FALSE(kv.allocate_slots(large, 5, prefix)) << "two revived and two new blocks are more than three";
  EXPECT_TRUE(kv.allocate_slots(large, 4, prefix));
  EXPECT_EQ(kv.num_used(), 3);
}

}  // namespace
}  // namespace cairn
