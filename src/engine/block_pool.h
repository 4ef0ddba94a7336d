// The pool of KV blocks: reference counts, the free queue in LRU order, and the map from content hash to block.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/block_hash.h"

namespace cairn {

/// Bookkeeping only; the keys and values live in the model runner. Block 0, the null block, is never handed out.
/// A free block keeps its content hash until it is taken again, so it can still be hit. Not thread-safe.
class BlockPool {
 public:
  /// Throws invalid_argument for fewer than two blocks.
  explicit BlockPool(std::int64_t num_blocks);

  /// Blocks that requests can own: all but the null block.
  std::int64_t capacity() const { return static_cast<std::int64_t>(blocks_.size()) - 1; }
  std::int64_t num_free() const { return num_free_; }
  /// Blocks with more than one owner.
  std::int64_t num_shared() const { return num_shared_; }
  std::int64_t num_cached() const { return static_cast<std::int64_t>(cached_.size()); }
  std::int32_t ref_count(std::int32_t block) const { return blocks_[block].ref_count; }

  /// Takes the least recently used free block, forgetting what it cached; its count becomes 1. Nothing when none is
  /// free.
  std::optional<std::int32_t> allocate();
  /// Adds an owner, taking the block out of the free queue if it was there.
  void touch(std::int32_t block);
  /// Drops one owner of each block, in the order given; what becomes free goes to the back of the queue.
  void free(std::span<const std::int32_t> blocks);

  /// A block of that content, free or owned.
  std::optional<std::int32_t> find(const BlockHash& hash) const;
  /// Names the content of an owned block that has none yet. Several blocks may hold the same content.
  void set_hash(std::int32_t block, const BlockHash& hash);
  /// Forgets the content of all free blocks, or with `owned_too` of all blocks.
  void forget_cached(bool owned_too);

 private:
  struct Block {
    std::int32_t ref_count = 0;
    std::int32_t prev = 0, next = 0;  // free queue; the null block is its head and tail
    std::optional<BlockHash> hash;
  };
  void unlink(std::int32_t block);
  void push_back(std::int32_t block);
  void forget(std::int32_t block);

  std::vector<Block> blocks_;
  std::unordered_multimap<BlockHash, std::int32_t, BlockHashOf> cached_;
  std::int64_t num_free_ = 0, num_shared_ = 0;
};

}  // namespace cairn
