// Many requests through one engine, answers in the order of the requests.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace cairn {

struct BatchJob {
  std::vector<int> prompt;
  SamplingParams params;
  std::string error;  // set: the job is not run, and answered by this
};

struct BatchChoice {
  std::string text, finish_reason;
  std::vector<int> token_ids;
  std::vector<PositionLogprobs> logprobs;
};

struct BatchAnswer {
  std::vector<BatchChoice> choices;
  int prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0;
  std::string error;
  bool cancelled = false;
};

struct BatchEvents {
  std::function<void(std::size_t job, const RequestOutput&)> on_piece;     // as they come
  std::function<void(std::size_t job, const BatchAnswer&)> on_answer;      // in order of the jobs
  std::function<void(std::int64_t tokens, std::size_t done)> on_progress;  // several times a second
};

/// Runs `jobs`, keeping as many in the engine as it can work on. Events come on the calling thread; any may be empty.
/// When `stop` becomes true the live ones are cancelled and no others begun; what comes before the first unfinished
/// job is still reported. What the engine refuses becomes that job's error. Returns the number of jobs answered.
std::size_t run_batch(Engine& engine, const std::vector<BatchJob>& jobs, const BatchEvents& events,
                      const std::atomic<bool>& stop);

}  // namespace cairn
