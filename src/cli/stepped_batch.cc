#include "cli/stepped_batch.h"

#include <algorithm>

#include "base/error.h"

namespace cairn {

SteppedBatch::SteppedBatch(ModelRunner& runner, std::int64_t batch_size, std::int64_t length)
    : runner_(runner),
      batch_size_(batch_size),
      blocks_per_sequence_((length + runner.block_size() - 1) / runner.block_size()) {
  if (batch_size * blocks_per_sequence_ + 1 > runner.num_kv_blocks())
    fail(ErrorKind::resource_exhausted,
         "{} sequences of {} tokens need {} KV blocks, the cache has {}; raise --kv-cache-memory-bytes", batch_size,
         length, batch_size * blocks_per_sequence_ + 1, runner.num_kv_blocks());
}

void SteppedBatch::begin(StepBatch& batch) const {
  batch.token_ids.clear();
  batch.positions.clear();
  batch.slot_mapping.clear();
  batch.query_start_loc.assign(1, 0);
  batch.seq_lens.clear();
  batch.block_tables.clear();
  batch.logits_rows.clear();
  batch.max_blocks = blocks_per_sequence_;
}

void SteppedBatch::append(StepBatch& batch, std::int64_t sequence, std::int64_t start, const int* tokens,
                          std::int64_t count, bool wants_logits) const {
  std::int64_t first_block = 1 + sequence * blocks_per_sequence_;
  for (std::int64_t i = 0; i < count; ++i) {
    batch.token_ids.push_back(tokens[i]);
    batch.positions.push_back(static_cast<std::int32_t>(start + i));
    batch.slot_mapping.push_back(first_block * runner_.block_size() + start + i);
  }
  auto total = static_cast<std::int32_t>(batch.token_ids.size());
  batch.query_start_loc.push_back(total);
  batch.seq_lens.push_back(static_cast<std::int32_t>(start + count));
  for (std::int64_t b = 0; b < blocks_per_sequence_; ++b)
    batch.block_tables.push_back(static_cast<std::int32_t>(first_block + b));
  if (wants_logits) batch.logits_rows.push_back(total - 1);
}

void SteppedBatch::prefill(const std::vector<std::vector<int>>& prompts) {
  auto length = static_cast<std::int64_t>(prompts.front().size());
  std::int64_t budget = runner_.max_num_batched_tokens();
  begin(batch_);
  for (std::int64_t sequence = 0; sequence < batch_size_; ++sequence) {
    for (std::int64_t done = 0; done < length;) {
      std::int64_t room = budget - static_cast<std::int64_t>(batch_.token_ids.size());
      std::int64_t count = std::min(room, length - done);
      append(batch_, sequence, length_ + done, prompts[static_cast<std::size_t>(sequence)].data() + done, count,
             done + count == length);
      done += count;
      if (count < room) continue;
      runner_.execute(batch_);
      begin(batch_);
    }
  }
  if (!batch_.token_ids.empty()) runner_.execute(batch_);
  length_ += length;
}

void SteppedBatch::decode(const std::vector<int>& tokens) {
  begin(batch_);
  for (std::int64_t sequence = 0; sequence < batch_size_; ++sequence)
    append(batch_, sequence, length_, &tokens[static_cast<std::size_t>(sequence)], 1, true);
  runner_.execute(batch_);
  ++length_;
}

}  // namespace cairn
