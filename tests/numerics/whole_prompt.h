// Runs token sequences through a runner outside the engine: blocks handed out one after the other.
#pragma once

#include <span>
#include <vector>

#include "engine/model_runner.h"

namespace cairn {

/// Logits [ids, vocab] at every position, computed in steps of at most `chunk` tokens. Uses blocks 1, 2, …
inline std::vector<float> logits_at_every_position(ModelRunner& runner, std::span<const int> ids, std::int64_t chunk) {
  std::vector<float> all;
  auto length = static_cast<std::int64_t>(ids.size());
  for (std::int64_t begin = 0; begin < length; begin += chunk) {
    std::int64_t end = std::min(length, begin + chunk);
    StepBatch batch;
    for (std::int64_t i = begin; i < end; ++i) {
      batch.token_ids.push_back(ids[static_cast<std::size_t>(i)]);
      batch.positions.push_back(static_cast<std::int32_t>(i));
      batch.slot_mapping.push_back(runner.block_size() + i);
      batch.logits_rows.push_back(static_cast<std::int32_t>(i - begin));
    }
    batch.query_start_loc = {0, static_cast<std::int32_t>(end - begin)};
    batch.seq_lens = {static_cast<std::int32_t>(end)};
    batch.max_blocks = (end + runner.block_size() - 1) / runner.block_size();
    for (std::int64_t b = 0; b < batch.max_blocks; ++b) batch.block_tables.push_back(static_cast<std::int32_t>(b + 1));
    std::span<float> logits = runner.execute(batch);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

}  // namespace cairn
