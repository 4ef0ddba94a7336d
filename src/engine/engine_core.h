// The engine's inner loop without its threads: sequences in, one step at a time, outputs out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/batch_builder.h"
#include "engine/engine.h"
#include "engine/kv_cache_manager.h"
#include "engine/request_state.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"

namespace cairn {

/// Belongs to the scheduler's thread, but for config-like accessors said to be thread-safe.
class EngineCore {
 public:
  /// Throws invalid_argument when the runner's limits cannot serve one request of max_model_len.
  EngineCore(const EngineConfig& config, ModelRunner& runner);

  /// Thread-safe; for hashing prompts on the callers' threads.
  const KvCacheManager& kv_cache() const { return kv_cache_; }

  /// Takes in a request: its n sequences wait.
  void add(std::shared_ptr<const RequestInfo> request);
  /// Ends one choice, or with index -1 all that still run, freeing the blocks. Each that ended here is reported to
  /// `outputs`. Unknown ones are ignored.
  void abort(std::uint64_t request_key, int index, std::vector<SequenceOutput>& outputs);
  void abort_all(std::vector<SequenceOutput>& outputs);
  bool has_work() const { return !live_.empty(); }
  void reset_prefix_cache() { kv_cache_.forget_cached(false); }

  struct StepResult {
    std::vector<SequenceOutput> outputs;
    int prefill_tokens = 0, decode_tokens = 0, seqs = 0;
    std::string error;  // the step failed; its sequences ended with this
  };
  /// Runs one step. Never throws for what the runner does: a failed step ends its own sequences, the third in a row
  /// all.
  StepResult step();

  /// Fills what the core knows; the counters of prompt and generation tokens included.
  void fill(EngineStats& stats) const;
  /// All that have not ended, for inspection.
  std::vector<const Sequence*> live_sequences() const;

 private:
  SequenceOutput make_output(const Sequence& sequence) const;
  void finish(Sequence& sequence);
  void finish_with_error(Sequence& sequence, const std::string& error, std::vector<SequenceOutput>& outputs);
  void fail_step(const SchedulerOutput& plan, const std::string& error, StepResult& result);
  void take_result(const ScheduledSequence& part, SampleResult&& sampled, StepResult& result);

  EngineConfig config_;
  ModelRunner& runner_;
  KvCacheManager kv_cache_;
  Scheduler scheduler_;
  BatchBuilder batch_builder_;
  Sampler sampler_;
  struct LiveRequest {
    std::vector<std::unique_ptr<Sequence>> sequences;  // by index; null once ended
    int num_live = 0;
  };
  std::unordered_map<std::uint64_t, LiveRequest> live_;
  int failures_in_a_row_ = 0;
  std::int64_t prompt_tokens_ = 0, generation_tokens_ = 0;
};

}  // namespace cairn
