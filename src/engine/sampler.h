// Turns a step's logits into tokens and log-probabilities, all rows at once.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/model_runner.h"
#include "engine/outputs.h"
#include "engine/scheduler.h"
#include "engine/token_choice.h"

namespace cairn {

/// What a sequence got from a step. With `error` set nothing else counts.
struct SampleResult {
  std::optional<int> token;
  std::optional<PositionLogprobs> logprobs;
  std::vector<PositionLogprobs> prompt_logprobs;  // of the prompt rows, in order
  std::string error;
};

/// A draw depends only on the logits, the parameters, the seed, the choice's index and the output position: the same
/// alone, in a batch, and after preemption. Keeps its buffers between steps. Not thread-safe.
class Sampler {
 public:
  /// One result for each part of `plan`. `logits` are [rows, vocab], rows in BatchBuilder's order; they are
  /// overwritten. Works on the runner's threads.
  std::vector<SampleResult> sample(const SchedulerOutput& plan, std::span<float> logits, ModelRunner& runner);

 private:
  struct Scratch {
    ChoiceScratch choice;
    std::vector<float> raw;  // the row as the model made it, where processors change it
  };
  static SampleResult sample_part(const ScheduledSequence& part, std::span<float> rows, std::size_t vocab,
                                  Scratch& scratch);

  std::vector<Scratch> scratch_;  // one a part: parts run side by side
};

}  // namespace cairn
