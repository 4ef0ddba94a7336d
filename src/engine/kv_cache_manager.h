// Gives sequences their KV blocks: prefix hits, new blocks, and their return.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/block_hash.h"
#include "engine/block_pool.h"
#include "engine/request_state.h"

namespace cairn {

/// Blocks of a cached prefix, not yet owned: valid until the next call that allocates.
struct CachedPrefix {
  std::vector<std::int32_t> blocks;
  std::int64_t num_tokens = 0;
};

class KvCacheManager {
 public:
  /// `num_blocks` counts the null block. Throws invalid_argument for a block size below 1 or under two blocks.
  KvCacheManager(std::int64_t num_blocks, std::int64_t block_size, bool enable_prefix_caching);

  /// Hash chain of a prompt's full blocks; empty without prefix caching. Thread-safe.
  std::vector<BlockHash> hash_blocks(const BlockHash& root, std::span<const int> tokens) const;
  BlockHash root_hash(std::string_view cache_salt) const { return hasher_.root(cache_salt); }

  /// Longest cached prefix of the sequence, at most one token short of it, in whole blocks. One token is always left to
  /// compute, as its logits are needed.
  CachedPrefix get_computed_blocks(Sequence& sequence) const;
  /// Makes room for `num_new_tokens` behind the sequence's computed tokens and `prefix` (which is for sequences without
  /// blocks). All or nothing: false, with nothing changed, when too few blocks are free.
  bool allocate_slots(Sequence& sequence, std::int64_t num_new_tokens, const CachedPrefix& prefix = {});
  /// Lets others hit the sequence's full blocks up to num_computed_tokens. Call it once these are sure to be computed
  /// before anyone else's reading: in the step that computes them, when the sequence can no longer be preempted.
  void register_full_blocks(Sequence& sequence);
  /// Returns the blocks, last first, so that a prefix's tail is evicted before its head.
  void free(Sequence& sequence);

  /// Forgets cached content that no sequence owns, or with `owned_too` all of it (when it may be damaged).
  void forget_cached(bool owned_too) { pool_.forget_cached(owned_too); }

  std::int64_t block_size() const { return block_size_; }
  std::int64_t num_blocks() const { return pool_.capacity(); }
  std::int64_t num_used() const { return pool_.capacity() - pool_.num_free(); }
  std::int64_t num_shared() const { return pool_.num_shared(); }
  const BlockPool& pool() const { return pool_; }

 private:
  const BlockHash& block_hash(Sequence& sequence, std::int64_t block) const;

  std::int64_t block_size_;
  bool enable_prefix_caching_;
  BlockHasher hasher_;
  BlockPool pool_;
};

}  // namespace cairn
