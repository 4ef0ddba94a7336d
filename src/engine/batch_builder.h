// Turns the scheduler's plan into the flattened batch that the model runner takes.
#pragma once

#include <cstdint>

#include "engine/model_runner.h"
#include "engine/scheduler.h"

namespace cairn {

/// Keeps its buffers between steps. Not thread-safe.
class BatchBuilder {
 public:
  explicit BatchBuilder(std::int64_t block_size) : block_size_(block_size) {}
  /// The batch of `plan`, valid until the next call. Logits rows come sequence after sequence: the rows for prompt
  /// log-probabilities first, then, when the sequence samples, its last token's.
  const StepBatch& build(const SchedulerOutput& plan);

 private:
  void append(const ScheduledSequence& part);

  std::int64_t block_size_;
  StepBatch batch_;
};

}  // namespace cairn
