#include "engine/batch_builder.h"

#include <algorithm>

namespace cairn {

const StepBatch& BatchBuilder::build(const SchedulerOutput& plan) {
  batch_.token_ids.clear();
  batch_.positions.clear();
  batch_.slot_mapping.clear();
  batch_.query_start_loc.assign(1, 0);
  batch_.seq_lens.clear();
  batch_.logits_rows.clear();
  batch_.max_blocks = 0;
  for (const ScheduledSequence& part : plan.scheduled) {
    const std::int64_t blocks = (part.start + part.num_tokens + block_size_ - 1) / block_size_;
    batch_.max_blocks = std::max(batch_.max_blocks, blocks);
  }
  batch_.block_tables.assign(plan.scheduled.size() * batch_.max_blocks, 0);
  for (const ScheduledSequence& part : plan.scheduled) append(part);
  return batch_;
}

void BatchBuilder::append(const ScheduledSequence& part) {
  const Sequence& sequence = *part.sequence;
  const std::vector<std::int32_t>& table = sequence.block_table;
  const auto first_token = static_cast<std::int32_t>(batch_.token_ids.size());
  const std::int64_t end = part.start + part.num_tokens;
  for (std::int64_t position = part.start; position < end; ++position) {
    batch_.token_ids.push_back(sequence.token(position));
    batch_.positions.push_back(static_cast<std::int32_t>(position));
    batch_.slot_mapping.push_back(table[position / block_size_] * block_size_ + position % block_size_);
  }
  const std::int64_t used = (end + block_size_ - 1) / block_size_;
  const std::int64_t row = static_cast<std::int64_t>(batch_.seq_lens.size()) * batch_.max_blocks;
  std::copy_n(table.begin(), used, batch_.block_tables.begin() + row);
  batch_.seq_lens.push_back(static_cast<std::int32_t>(end));
  batch_.query_start_loc.push_back(static_cast<std::int32_t>(batch_.token_ids.size()));
  for (std::int64_t i = 0; i < part.num_prompt_rows; ++i) {
    batch_.logits_rows.push_back(first_token + static_cast<std::int32_t>(part.first_prompt_row + i - part.start));
  }
  if (part.samples) batch_.logits_rows.push_back(first_token + static_cast<std::int32_t>(part.num_tokens) - 1);
}

}  // namespace cairn
