// How the work of paged attention is cut into items and shared among workers by cost.
#pragma once

#include <algorithm>
#include <cstdint>

namespace cairn {

/// The batch as paged attention sees it.
struct AttentionBatch {
  std::int64_t tokens = 0, sequences = 0;
  std::int64_t max_positions = 0;                 // that a block table covers
  std::int64_t kv_heads = 0, group = 0;           // query heads a KV head
  std::int64_t tile_tokens = 0;                   // query tokens an item, at most
  std::int64_t window = 0;                        // positions that a token sees, itself the last; 0: all
  const std::int32_t* query_start_loc = nullptr;  // [sequences + 1]
  const std::int32_t* seq_lens = nullptr;         // [sequences]
};

/// A tile of one sequence's query tokens with the query heads of one KV head, over all positions that they see: from
/// first_seen on, below `positions`.
struct AttentionItem {
  std::int64_t sequence = 0, head = 0;
  std::int64_t first_token = 0, tokens = 0;  // rows of q
  std::int64_t first_position = 0;           // of first_token in its sequence; negative when it sees nothing
  std::int64_t first_seen = 0;               // by the first token
  std::int64_t positions = 0;                // up to the last token
  std::int64_t cost = 0;
};

/// Loading and widening keys and values costs about as much as the arithmetic of this many rows.
inline constexpr std::int64_t kLoadRows = 4;
/// What an item costs beside its positions, in positions.
inline constexpr std::int64_t kItemPositions = 32;

/// Calls visit(item) for every item, always in the same order, so that each worker can find its part by itself. Indices
/// that do not fit the batch are clamped.
template <typename Visit>
void for_each_item(const AttentionBatch& batch, Visit visit) {
  for (std::int64_t s = 0; s < batch.sequences; ++s) {
    const std::int64_t begin = std::clamp<std::int64_t>(batch.query_start_loc[s], 0, batch.tokens);
    const std::int64_t end = std::clamp<std::int64_t>(batch.query_start_loc[s + 1], begin, batch.tokens);
    const std::int64_t length = std::clamp<std::int64_t>(batch.seq_lens[s], 0, batch.max_positions);
    for (std::int64_t head = 0; head < batch.kv_heads; ++head) {
      for (std::int64_t token = begin; token < end; token += batch.tile_tokens) {
        AttentionItem item;
        item.sequence = s, item.head = head, item.first_token = token;
        item.tokens = std::min(batch.tile_tokens, end - token);
        item.first_position = length - (end - token);
        item.positions = std::max<std::int64_t>(item.first_position + item.tokens, 0);
        if (batch.window > 0)
          item.first_seen = std::clamp<std::int64_t>(item.first_position - batch.window + 1, 0, item.positions);
        item.cost = (item.positions - item.first_seen + kItemPositions) * (item.tokens * batch.group + kLoadRows);
        visit(item);
      }
    }
  }
}

/// Which items are cut: those that are too large a part of the whole. A cut item's steps go to different workers, and
/// each step leaves a partial state per row. Results do not depend on what is cut: an item's steps are merged in order
/// anyhow.
class CutRule {
 public:
  /// `capacity`: partial states that there is room for.
  CutRule(std::int64_t total_cost, int workers, std::int64_t capacity)
      : limit_(total_cost / (4 * workers)), capacity_(workers > 1 ? capacity : 0) {}

  /// Number of the item's first partial state, or -1 when it stays whole. Called once an item, in order.
  std::int64_t place(const AttentionItem& item, std::int64_t rows, std::int64_t steps) {
    if (steps < 2 || item.cost <= limit_ || rows * steps > capacity_ - used_) return -1;
    used_ += rows * steps;
    return used_ - rows * steps;
  }

 private:
  std::int64_t limit_, capacity_, used_ = 0;
};

}  // namespace cairn
