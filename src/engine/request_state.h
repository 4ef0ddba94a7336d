// A request inside the engine: what is fixed at admission, and the changing state of each of its n sequences.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/block_hash.h"
#include "engine/outputs.h"
#include "engine/sampling_params.h"

namespace cairn {

using EngineClock = std::chrono::steady_clock;

/// Why a sequence ended: the stop token, the stop string, or neither.
using StopReason = std::variant<std::monostate, int, std::string>;

/// Fixed once admitted, so all threads may read it.
struct RequestInfo {
  std::uint64_t key = 0;  // unique in an engine's life; ids may be used again
  std::string id;
  std::vector<int> prompt;
  SamplingParams params;  // validated
  int priority = 0;
  std::uint64_t seed = 0;                   // params.seed, or drawn
  std::vector<std::vector<int>> bad_words;  // as token sequences
  std::vector<int> eos_token_ids;           // end the answer; empty with ignore_eos
  std::optional<int> primary_eos;           // of these the one that leaves no stop reason
  int max_output_tokens = 0;                // at least 1; bounded by the model's length
  BlockHash root_hash;                      // what block 0 continues
  std::vector<BlockHash> prompt_hashes;     // of the prompt's full blocks; empty without prefix caching
  EngineClock::time_point arrival;
};

enum class SequenceStatus { waiting, running, finished };

/// How often tokens occurred, kept up to date as the sequence grows; only for requests with penalties.
struct TokenCounts {
  struct Entry {
    int token;
    bool in_prompt;
    int in_output;
  };
  std::vector<Entry> entries;
  std::unordered_map<int, std::size_t> position;  // token -> entry
  bool prompt_counted = false;
  std::size_t outputs_counted = 0;
};

/// One of a request's n answers in the making. Belongs to the scheduler's thread.
struct Sequence {
  Sequence(std::shared_ptr<const RequestInfo> info, int choice) : request(std::move(info)), index(choice) {}

  std::shared_ptr<const RequestInfo> request;
  int index;
  SequenceStatus status = SequenceStatus::waiting;
  std::vector<int> output;
  std::int64_t num_computed_tokens = 0;  // whose keys and values are cached, or will be by the step in flight

  // Kept by KvCacheManager.
  std::vector<std::int32_t> block_table;
  std::int64_t num_registered_blocks = 0;  // first so many blocks can be hit by others
  std::vector<BlockHash> output_hashes;    // of full blocks behind the prompt's full ones

  // Kept by Scheduler.
  std::int64_t num_cached_tokens = 0;  // prompt tokens that the prefix cache served at first scheduling
  int num_preemptions = 0;
  std::optional<EngineClock::time_point> first_scheduled;

  // Kept by the sampling stage.
  TokenCounts counts;
  std::vector<std::optional<PositionLogprobs>> prompt_logprobs;  // positions done so far

  std::int64_t num_prompt_tokens() const { return static_cast<std::int64_t>(request->prompt.size()); }
  std::int64_t num_tokens() const { return num_prompt_tokens() + static_cast<std::int64_t>(output.size()); }
  int token(std::int64_t position) const {
    const std::int64_t in_output = position - num_prompt_tokens();
    return in_output < 0 ? request->prompt[position] : output[in_output];
  }
  /// Prompt log-probabilities still to come: they need logits that a cached prefix does not give.
  bool wants_prompt_logprobs() const {
    return index == 0 && request->params.prompt_logprobs &&
           static_cast<std::int64_t>(prompt_logprobs.size()) < num_prompt_tokens();
  }
};

/// What one step, or a cancel, brought for one sequence: goes from the scheduler's to the output thread.
struct SequenceOutput {
  std::uint64_t request_key = 0;
  int index = 0;
  std::optional<int> token;
  std::optional<PositionLogprobs> logprobs;
  std::vector<std::optional<PositionLogprobs>> prompt_logprobs;
  std::optional<FinishReason> finish_reason;
  StopReason stop_reason;
  std::string error;
  int cached_tokens = 0;
  std::optional<EngineClock::time_point> first_scheduled;
  EngineClock::time_point time;
};

/// Whether and why the newest output token ends the sequence. `max_model_len` in tokens, prompt included.
struct StopCheck {
  std::optional<FinishReason> finish_reason;
  StopReason stop_reason;
};
StopCheck check_stop(const Sequence& sequence, std::int64_t max_model_len);

}  // namespace cairn
