// Decides which tokens of which sequences run in the next step. Bookkeeping only: state in, a plan value out.
#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/kv_cache_manager.h"
#include "engine/request_state.h"

namespace cairn {

struct SchedulerConfig {
  SchedulingPolicy policy = SchedulingPolicy::fcfs;
  bool enable_chunked_prefill = true;
  std::int64_t long_prefill_token_threshold = 0;  // 0: none
  std::int64_t max_num_batched_tokens = 2048;
  std::int64_t max_num_seqs = 128;
  std::int64_t max_prompt_logprob_rows = 128;  // a step; each is a row of logits, so this bounds their memory
};

/// A sequence's part in a step: the tokens at positions [start, start + num_tokens).
struct ScheduledSequence {
  Sequence* sequence = nullptr;
  std::int64_t start = 0;
  std::int64_t num_tokens = 0;
  std::int64_t first_prompt_row = 0;  // positions whose logits give prompt log-probabilities
  std::int64_t num_prompt_rows = 0;
  bool samples = false;  // its last known token runs, so a new token comes
};

struct SchedulerOutput {
  std::vector<ScheduledSequence> scheduled;
  std::vector<Sequence*> preempted;
  std::int64_t num_tokens = 0;
};

/// vLLM V1's scheduler: there is no prefill or decode phase; each sequence's computed tokens chase its known tokens
/// under one token budget. Sequences are the caller's and must live until finish(). Not thread-safe.
class Scheduler {
 public:
  Scheduler(SchedulerConfig config, KvCacheManager& kv_cache);

  /// Queues a new sequence. Order of arrival is its request's key, then its index.
  void add(Sequence& sequence);
  /// Takes out a sequence in any state and frees its blocks.
  void finish(Sequence& sequence);
  /// Plans the next step and counts its tokens as computed. Running sequences come first; waiting ones join only when
  /// none had to be preempted. A preempted sequence keeps its output and recomputes from the start.
  SchedulerOutput schedule();

  std::int64_t num_running() const { return static_cast<std::int64_t>(running_.size()); }
  std::int64_t num_waiting() const { return static_cast<std::int64_t>(waiting_.size()); }
  std::int64_t prefix_cache_queries() const { return prefix_cache_queries_; }  // tokens
  std::int64_t prefix_cache_hits() const { return prefix_cache_hits_; }        // tokens
  std::int64_t num_preemptions() const { return num_preemptions_; }

 private:
  struct Budget {
    std::int64_t tokens, prompt_rows;
  };
  // Priority (0 with FCFS), then arrival. As admission follows this order, a preempted sequence goes back in front.
  using QueueKey = std::tuple<int, std::uint64_t, int>;

  QueueKey queue_key(const Sequence& sequence) const;
  void schedule_running(SchedulerOutput& output, Budget& budget);
  void schedule_waiting(SchedulerOutput& output, Budget& budget);
  std::int64_t chunk_size(const Sequence& sequence, std::int64_t start, const Budget& budget) const;
  void commit(Sequence& sequence, std::int64_t start, std::int64_t count, SchedulerOutput& output, Budget& budget);
  std::size_t pick_victim() const;
  void preempt(std::size_t running_index, SchedulerOutput& output, Budget& budget);

  SchedulerConfig config_;
  KvCacheManager& kv_cache_;
  std::vector<Sequence*> running_;  // in order of admission
  std::map<QueueKey, Sequence*> waiting_;
  std::int64_t prefix_cache_queries_ = 0, prefix_cache_hits_ = 0, num_preemptions_ = 0;
};

}  // namespace cairn
