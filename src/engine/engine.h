// The engine: continuous batching over a paged KV cache, with the semantics of vLLM V1.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "engine/model_runner.h"
#include "engine/outputs.h"
#include "engine/sampling_params.h"
#include "model/tokenizer/tokenizer.h"

namespace cairn {

enum class SchedulingPolicy { fcfs, priority };

struct EngineConfig {
  SchedulingPolicy policy = SchedulingPolicy::fcfs;
  bool enable_prefix_caching = true;
  bool enable_chunked_prefill = true;
  std::int64_t long_prefill_token_threshold = 0;  // 0: none
  std::int64_t max_waiting = 1024;                // submit() beyond it throws resource_exhausted
  int max_logprobs = 20;  // most alternatives that a request may ask for; -1: the whole vocabulary
  std::vector<int> eos_token_ids;
};

struct Request {
  std::string id;  // unique among live requests
  std::vector<int> prompt_token_ids;
  SamplingParams params;
  int priority = 0;        // lower runs first, with the priority policy
  std::string cache_salt;  // requests with different salts share no cached blocks
};

/// One step as the live view shows it.
struct StepRecord {
  double time_ms = 0;  // since the engine started
  double duration_ms = 0;
  int prefill_tokens = 0;
  int decode_tokens = 0;
  int seqs = 0;
};

/// A snapshot; counters only grow.
struct EngineStats {
  int running = 0, waiting = 0;
  std::int64_t kv_blocks_total = 0, kv_blocks_used = 0, kv_blocks_shared = 0;  // shared: reference count above one
  std::int64_t prefix_cache_queries = 0, prefix_cache_hits = 0;                // tokens
  std::int64_t preemptions = 0, prompt_tokens = 0, generation_tokens = 0, steps = 0;
};

/// Receives measurements as they happen, for Prometheus; called on engine threads, must not block.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void on_step(const StepRecord&) {}
  virtual void on_first_token(double /*seconds since arrival*/) {}
  virtual void on_inter_token(double /*seconds*/) {}
  struct Finished {
    FinishReason reason;
    int prompt_tokens, generation_tokens, n;
    double e2e_seconds, queue_seconds, prefill_seconds, decode_seconds, inference_seconds;
  };
  virtual void on_finished(const Finished&) {}
};

/// Owns the runner, a scheduler thread and an output thread. All public calls are thread-safe.
class Engine {
 public:
  Engine(EngineConfig config, std::unique_ptr<ModelRunner> runner, std::shared_ptr<const Tokenizer> tokenizer, Log log);
  /// Aborts what is live and joins the threads.
  ~Engine();

  /// Queues a request; its pieces go to `sink`, the last one with `last` set (also after cancel, as abort).
  /// Throws invalid_argument (vLLM's words) for bad parameters or a prompt longer than max_model_len - 1, naming both
  /// lengths; resource_exhausted when the queue is full; cancelled while draining.
  void submit(Request request, OutputSink sink);
  /// Stops a request in any state; its blocks are free within one step. Unknown ids are ignored.
  void cancel(const std::string& request_id);
  /// Refuses new requests and waits until live ones end, at most `timeout_seconds`; then aborts the rest.
  /// Returns true when all ended by themselves.
  bool drain(double timeout_seconds);

  EngineStats stats() const;
  /// The newest steps (at most 1024), oldest first, that came after step number `after`; `after` becomes the newest.
  std::vector<StepRecord> steps_since(std::int64_t& after) const;
  /// Null: none. The one that was set before is not called any more once this returns. Not from an observer or sink.
  void set_observer(EngineObserver* observer);

  const ModelRunner& runner() const;
  const EngineConfig& config() const;
  const Tokenizer& tokenizer() const;
  /// Forgets all cached prefixes that no live request uses.
  void reset_prefix_cache();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
