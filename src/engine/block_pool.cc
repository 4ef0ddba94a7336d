#include "engine/block_pool.h"

#include <cassert>
#include <limits>

#include "base/error.h"

namespace cairn {

BlockPool::BlockPool(std::int64_t num_blocks) {
  if (num_blocks < 2 || num_blocks > std::numeric_limits<std::int32_t>::max()) {
    fail_invalid("number of KV blocks must be at least 2 (block 0 is the null block) and fit 32 bits, got {}",
                 num_blocks);
  }
  blocks_.resize(static_cast<std::size_t>(num_blocks));
  for (std::int32_t block = 1; block < num_blocks; ++block) push_back(block);
}

void BlockPool::push_back(std::int32_t block) {
  const std::int32_t last = blocks_[0].prev;
  blocks_[block].prev = last;
  blocks_[block].next = 0;
  blocks_[last].next = block;
  blocks_[0].prev = block;
  ++num_free_;
}

void BlockPool::unlink(std::int32_t block) {
  const Block& b = blocks_[block];
  blocks_[b.prev].next = b.next;
  blocks_[b.next].prev = b.prev;
  --num_free_;
}

void BlockPool::forget(std::int32_t block) {
  Block& b = blocks_[block];
  if (!b.hash) return;
  const auto [first, last] = cached_.equal_range(*b.hash);
  for (auto it = first; it != last; ++it) {
    if (it->second == block) {
      cached_.erase(it);
      break;
    }
  }
  b.hash.reset();
}

std::optional<std::int32_t> BlockPool::allocate() {
  const std::int32_t block = blocks_[0].next;
  if (block == 0) return std::nullopt;
  unlink(block);
  forget(block);
  blocks_[block].ref_count = 1;
  return block;
}

void BlockPool::touch(std::int32_t block) {
  const std::int32_t count = ++blocks_[block].ref_count;
  if (count == 1) unlink(block);
  if (count == 2) ++num_shared_;
}

void BlockPool::free(std::span<const std::int32_t> blocks) {
  for (const std::int32_t block : blocks) {
    assert(blocks_[block].ref_count > 0);
    const std::int32_t count = --blocks_[block].ref_count;
    if (count == 1) --num_shared_;
    if (count == 0) push_back(block);
  }
}

std::optional<std::int32_t> BlockPool::find(const BlockHash& hash) const {
  const auto it = cached_.find(hash);
  if (it == cached_.end()) return std::nullopt;
  return it->second;
}

void BlockPool::set_hash(std::int32_t block, const BlockHash& hash) {
  assert(blocks_[block].ref_count > 0 && !blocks_[block].hash);
  blocks_[block].hash = hash;
  cached_.emplace(hash, block);
}

void BlockPool::forget_cached(bool owned_too) {
  for (std::size_t block = 1; block < blocks_.size(); ++block) {
    if (owned_too || blocks_[block].ref_count == 0) forget(static_cast<std::int32_t>(block));
  }
}

}  // namespace cairn
