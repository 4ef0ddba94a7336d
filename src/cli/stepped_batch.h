// A fixed batch driven through a model runner step by step, without the engine: for timing the model alone.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model_runner.h"

namespace cairn {

/// Sequences of equal length with blocks of their own, one range after the other.
class SteppedBatch {
 public:
  /// Room for `batch_size` sequences of `length` tokens. Throws resource_exhausted when the KV cache is smaller.
  SteppedBatch(ModelRunner& runner, std::int64_t batch_size, std::int64_t length);

  /// Forgets what was run.
  void restart() { length_ = 0; }
  /// Runs the next tokens of every sequence, `prompts[sequence]`, in as many steps as the runner's budget needs.
  void prefill(const std::vector<std::vector<int>>& prompts);
  /// One step of one token for every sequence.
  void decode(const std::vector<int>& tokens);

 private:
  void begin(StepBatch& batch) const;
  void append(StepBatch& batch, std::int64_t sequence, std::int64_t start, const int* tokens, std::int64_t count,
              bool wants_logits) const;

  ModelRunner& runner_;
  std::int64_t batch_size_, blocks_per_sequence_;
  std::int64_t length_ = 0;  // tokens of each sequence in the cache
  StepBatch batch_;
};

}  // namespace cairn
