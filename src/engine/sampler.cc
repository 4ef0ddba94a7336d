#include "engine/sampler.h"

#include <cmath>
#include <exception>

#include "base/error.h"
#include "engine/logit_processors.h"
#include "engine/logprobs.h"
#include "engine/random.h"

namespace cairn {
namespace {

int choose(std::span<const float> row, const Sequence& sequence, ChoiceScratch& scratch) {
  summarize(row, scratch.summary);
  if (scratch.summary.invalid) {
    fail(ErrorKind::internal, "the model produced logits that are not numbers");
  }
  if (std::isinf(scratch.summary.max)) fail_invalid("the sampling parameters leave no token to choose");
  const SamplingParams& params = sequence.request->params;
  if (params.greedy()) return static_cast<int>(first_max(row, scratch.summary));
  const double u = uniform(sequence.request->seed, static_cast<std::uint32_t>(sequence.index), sequence.output.size());
  return draw_token(row, {params.temperature, params.min_p, params.top_k, params.top_p}, u, scratch);
}

}  // namespace

SampleResult Sampler::sample_part(const ScheduledSequence& part, std::span<float> rows, std::size_t vocab,
                                  Scratch& scratch) {
  Sequence& sequence = *part.sequence;
  const SamplingParams& params = sequence.request->params;
  SampleResult result;
  for (std::int64_t i = 0; i < part.num_prompt_rows; ++i) {
    const int next = sequence.token(part.first_prompt_row + i + 1);
    const auto row = rows.subspan(static_cast<std::size_t>(i) * vocab, vocab);
    result.prompt_logprobs.push_back(compute_logprobs(row, next, *params.prompt_logprobs, scratch.choice));
  }
  if (!part.samples) return result;
  const std::span<float> row = rows.last(vocab);
  const bool processed = has_logit_processors(sequence);
  if (processed && params.logprobs) scratch.raw.assign(row.begin(), row.end());
  if (processed) apply_logit_processors(row, sequence);
  const int token = choose(row, sequence, scratch.choice);
  result.token = token;
  if (params.logprobs) {
    const std::span<const float> raw = processed ? std::span<const float>(scratch.raw) : row;
    result.logprobs = compute_logprobs(raw, token, *params.logprobs, scratch.choice);
  }
  return result;
}

std::vector<SampleResult> Sampler::sample(const SchedulerOutput& plan, std::span<float> logits, ModelRunner& runner) {
  const auto vocab = static_cast<std::size_t>(runner.vocab_size());
  const std::size_t parts = plan.scheduled.size();
  std::vector<std::size_t> first_row(parts + 1, 0);
  for (std::size_t i = 0; i < parts; ++i) {
    const ScheduledSequence& part = plan.scheduled[i];
    first_row[i + 1] = first_row[i] + static_cast<std::size_t>(part.num_prompt_rows) + (part.samples ? 1 : 0);
  }
  if (logits.size() != first_row[parts] * vocab) {
    fail(ErrorKind::internal, "the model runner gave {} logits, expected {} rows of {}", logits.size(),
         first_row[parts], vocab);
  }
  if (scratch_.size() < parts) scratch_.resize(parts);
  std::vector<SampleResult> results(parts);
  runner.parallel_for(static_cast<std::int64_t>(parts), [&](std::int64_t i) {
    const auto rows = logits.subspan(first_row[i] * vocab, (first_row[i + 1] - first_row[i]) * vocab);
    try {
      results[i] = sample_part(plan.scheduled[i], rows, vocab, scratch_[i]);
    } catch (const std::exception& error) {
      results[i].error = error.what();
    }
  });
  return results;
}

}  // namespace cairn
