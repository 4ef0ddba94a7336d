#include "engine/kv_cache_manager.h"

#include <cassert>

#include "base/error.h"

namespace cairn {

KvCacheManager::KvCacheManager(std::int64_t num_blocks, std::int64_t block_size, bool enable_prefix_caching)
    : block_size_(block_size), enable_prefix_caching_(enable_prefix_caching), pool_(num_blocks) {
  if (block_size < 1) fail_invalid("KV block size must be at least 1, got {}", block_size);
}

std::vector<BlockHash> KvCacheManager::hash_blocks(const BlockHash& root, std::span<const int> tokens) const {
  std::vector<BlockHash> hashes;
  if (!enable_prefix_caching_) return hashes;
  const auto size = static_cast<std::size_t>(block_size_);
  hashes.reserve(tokens.size() / size);
  BlockHash parent = root;
  for (std::size_t start = 0; start + size <= tokens.size(); start += size) {
    parent = hasher_.next(parent, tokens.subspan(start, size));
    hashes.push_back(parent);
  }
  return hashes;
}

// Hash of a full block; those behind the prompt's are made when first asked for.
const BlockHash& KvCacheManager::block_hash(Sequence& sequence, std::int64_t block) const {
  const std::vector<BlockHash>& prompt_hashes = sequence.request->prompt_hashes;
  const auto in_prompt = static_cast<std::int64_t>(prompt_hashes.size());
  if (block < in_prompt) return prompt_hashes[block];
  std::vector<int> tokens(block_size_);
  std::vector<BlockHash>& hashes = sequence.output_hashes;
  while (static_cast<std::int64_t>(hashes.size()) <= block - in_prompt) {
    const std::int64_t next = in_prompt + static_cast<std::int64_t>(hashes.size());
    for (std::int64_t i = 0; i < block_size_; ++i) tokens[i] = sequence.token(next * block_size_ + i);
    const BlockHash& parent = !hashes.empty()          ? hashes.back()
                              : !prompt_hashes.empty() ? prompt_hashes.back()
                                                       : sequence.request->root_hash;
    hashes.push_back(hasher_.next(parent, tokens));
  }
  return hashes[block - in_prompt];
}

CachedPrefix KvCacheManager::get_computed_blocks(Sequence& sequence) const {
  CachedPrefix prefix;
  if (!enable_prefix_caching_ || sequence.wants_prompt_logprobs()) return prefix;
  const std::int64_t limit = (sequence.num_tokens() - 1) / block_size_;
  for (std::int64_t i = 0; i < limit; ++i) {
    const std::optional<std::int32_t> block = pool_.find(block_hash(sequence, i));
    if (!block) break;
    prefix.blocks.push_back(*block);
  }
  prefix.num_tokens = static_cast<std::int64_t>(prefix.blocks.size()) * block_size_;
  return prefix;
}

bool KvCacheManager::allocate_slots(Sequence& sequence, std::int64_t num_new_tokens, const CachedPrefix& prefix) {
  assert(prefix.blocks.empty() || sequence.block_table.empty());
  const std::int64_t tokens = sequence.num_computed_tokens + prefix.num_tokens + num_new_tokens;
  const std::int64_t owned = static_cast<std::int64_t>(sequence.block_table.size() + prefix.blocks.size());
  const std::int64_t wanted = std::max<std::int64_t>((tokens + block_size_ - 1) / block_size_ - owned, 0);
  std::int64_t revived = 0;  // hits that sit in the free queue leave it
  for (const std::int32_t block : prefix.blocks) revived += pool_.ref_count(block) == 0;
  if (wanted + revived > pool_.num_free()) return false;

  // Hits first: a new block must not be taken from among them.
  for (const std::int32_t block : prefix.blocks) pool_.touch(block);
  sequence.block_table.insert(sequence.block_table.end(), prefix.blocks.begin(), prefix.blocks.end());
  sequence.num_registered_blocks += static_cast<std::int64_t>(prefix.blocks.size());
  for (std::int64_t i = 0; i < wanted; ++i) sequence.block_table.push_back(*pool_.allocate());
  return true;
}

void KvCacheManager::register_full_blocks(Sequence& sequence) {
  if (!enable_prefix_caching_) return;
  const std::int64_t full = sequence.num_computed_tokens / block_size_;
  while (sequence.num_registered_blocks < full) {
    const std::int64_t block = sequence.num_registered_blocks++;
    pool_.set_hash(sequence.block_table[block], block_hash(sequence, block));
  }
}

void KvCacheManager::free(Sequence& sequence) {
  const std::vector<std::int32_t> reversed(sequence.block_table.rbegin(), sequence.block_table.rend());
  pool_.free(reversed);
  sequence.block_table.clear();
  sequence.num_registered_blocks = 0;
}

}  // namespace cairn
