#include "engine/engine_core.h"

#include <exception>

#include "base/error.h"

namespace cairn {
namespace {

constexpr int kFailuresToGiveUp = 3;

SchedulerConfig scheduler_config(const EngineConfig& config, const ModelRunner& runner) {
  SchedulerConfig result;
  result.policy = config.policy;
  result.enable_chunked_prefill = config.enable_chunked_prefill;
  result.long_prefill_token_threshold = config.long_prefill_token_threshold;
  result.max_num_batched_tokens = runner.max_num_batched_tokens();
  result.max_num_seqs = runner.max_num_seqs();
  return result;
}

void check_limits(const EngineConfig& config, const ModelRunner& runner) {
  if (runner.max_model_len() < 2) fail_invalid("max_model_len must be at least 2, got {}", runner.max_model_len());
  if (runner.max_num_seqs() < 1 || runner.max_num_batched_tokens() < 1) {
    fail_invalid("max_num_seqs and max_num_batched_tokens must be at least 1, got {} and {}", runner.max_num_seqs(),
                 runner.max_num_batched_tokens());
  }
  const std::int64_t room = (runner.num_kv_blocks() - 1) * runner.block_size();
  if (room < runner.max_model_len()) {
    fail_invalid(
        "the KV cache holds {} tokens, fewer than max_model_len {}: give it more memory or lower "
        "max_model_len",
        room, runner.max_model_len());
  }
  if (!config.enable_chunked_prefill && runner.max_num_batched_tokens() < runner.max_model_len()) {
    fail_invalid("without chunked prefill max_num_batched_tokens ({}) must be at least max_model_len ({})",
                 runner.max_num_batched_tokens(), runner.max_model_len());
  }
  if (config.long_prefill_token_threshold < 0) {
    fail_invalid("long_prefill_token_threshold must be 0 (none) or more, got {}", config.long_prefill_token_threshold);
  }
}

}  // namespace

EngineCore::EngineCore(const EngineConfig& config, ModelRunner& runner)
    : config_(config),
      runner_(runner),
      kv_cache_(runner.num_kv_blocks(), runner.block_size(), config.enable_prefix_caching),
      scheduler_(scheduler_config(config, runner), kv_cache_),
      batch_builder_(runner.block_size()) {
  check_limits(config, runner);
}

void EngineCore::add(std::shared_ptr<const RequestInfo> request) {
  LiveRequest& live = live_[request->key];
  live.num_live = request->params.n;
  for (int index = 0; index < request->params.n; ++index) {
    live.sequences.push_back(std::make_unique<Sequence>(request, index));
    scheduler_.add(*live.sequences.back());
  }
}

SequenceOutput EngineCore::make_output(const Sequence& sequence) const {
  SequenceOutput output;
  output.request_key = sequence.request->key;
  output.index = sequence.index;
  output.cached_tokens = static_cast<int>(sequence.num_cached_tokens);
  output.first_scheduled = sequence.first_scheduled;
  output.time = EngineClock::now();
  return output;
}

// Frees the sequence's blocks and the sequence itself.
void EngineCore::finish(Sequence& sequence) {
  scheduler_.finish(sequence);
  const std::uint64_t key = sequence.request->key;
  LiveRequest& live = live_.at(key);
  live.sequences[sequence.index].reset();
  if (--live.num_live == 0) live_.erase(key);
}

void EngineCore::finish_with_error(Sequence& sequence, const std::string& error, std::vector<SequenceOutput>& outputs) {
  outputs.push_back(make_output(sequence));
  outputs.back().finish_reason = FinishReason::error;
  outputs.back().error = error;
  finish(sequence);
}

void EngineCore::abort(std::uint64_t request_key, int index, std::vector<SequenceOutput>& outputs) {
  const auto found = live_.find(request_key);
  if (found == live_.end()) return;
  std::vector<Sequence*> ending;
  for (const auto& sequence : found->second.sequences) {
    if (sequence && (index < 0 || sequence->index == index)) ending.push_back(sequence.get());
  }
  for (Sequence* sequence : ending) {
    outputs.push_back(make_output(*sequence));
    outputs.back().finish_reason = FinishReason::abort;
    finish(*sequence);
  }
}

void EngineCore::abort_all(std::vector<SequenceOutput>& outputs) {
  while (!live_.empty()) abort(live_.begin()->first, -1, outputs);
}

EngineCore::StepResult EngineCore::step() {
  StepResult result;
  const SchedulerOutput plan = scheduler_.schedule();
  for (const ScheduledSequence& part : plan.scheduled) {
    // What is recomputed after a preemption counts as prefill too.
    const bool decode = part.num_tokens == 1 && part.start >= part.sequence->num_prompt_tokens();
    (decode ? result.decode_tokens : result.prefill_tokens) += static_cast<int>(part.num_tokens);
  }
  result.seqs = static_cast<int>(plan.scheduled.size());
  std::vector<SampleResult> sampled;
  try {
    if (plan.scheduled.empty()) fail(ErrorKind::internal, "the scheduler could place no waiting request");
    sampled = sampler_.sample(plan, runner_.execute(batch_builder_.build(plan)), runner_);
    failures_in_a_row_ = 0;
  } catch (const std::exception& error) {
    fail_step(plan, error.what(), result);
    return result;
  }
  for (std::size_t i = 0; i < plan.scheduled.size(); ++i) {
    take_result(plan.scheduled[i], std::move(sampled[i]), result);
  }
  return result;
}

// Nothing that this step should have computed can be trusted, so no cached prefix is kept.
void EngineCore::fail_step(const SchedulerOutput& plan, const std::string& error, StepResult& result) {
  result.error = error;
  kv_cache_.forget_cached(true);
  for (const ScheduledSequence& part : plan.scheduled) finish_with_error(*part.sequence, error, result.outputs);
  if (++failures_in_a_row_ < kFailuresToGiveUp && !plan.scheduled.empty()) return;
  for (const Sequence* sequence : live_sequences()) {
    finish_with_error(*live_.at(sequence->request->key).sequences[sequence->index], error, result.outputs);
  }
}

std::vector<const Sequence*> EngineCore::live_sequences() const {
  std::vector<const Sequence*> result;
  for (const auto& [key, live] : live_) {
    for (const auto& sequence : live.sequences) {
      if (sequence) result.push_back(sequence.get());
    }
  }
  return result;
}

void EngineCore::take_result(const ScheduledSequence& part, SampleResult&& sampled, StepResult& result) {
  Sequence& sequence = *part.sequence;
  if (!sampled.error.empty()) {
    kv_cache_.forget_cached(true);  // the same keys and values may be behind it
    finish_with_error(sequence, sampled.error, result.outputs);
    return;
  }
  if (sequence.wants_prompt_logprobs()) {
    if (sequence.prompt_logprobs.empty()) sequence.prompt_logprobs.emplace_back(std::nullopt);
    for (PositionLogprobs& logprobs : sampled.prompt_logprobs) {
      sequence.prompt_logprobs.emplace_back(std::move(logprobs));
    }
  }
  if (!sampled.token) return;
  if (sequence.output.empty()) prompt_tokens_ += sequence.num_prompt_tokens();
  ++generation_tokens_;
  sequence.output.push_back(*sampled.token);
  SequenceOutput output = make_output(sequence);
  output.token = sampled.token;
  output.logprobs = std::move(sampled.logprobs);
  if (sequence.output.size() == 1) output.prompt_logprobs = sequence.prompt_logprobs;
  StopCheck stop = check_stop(sequence, runner_.max_model_len());
  output.finish_reason = stop.finish_reason;
  output.stop_reason = std::move(stop.stop_reason);
  if (output.finish_reason) finish(sequence);
  result.outputs.push_back(std::move(output));
}

void EngineCore::fill(EngineStats& stats) const {
  stats.running = static_cast<int>(scheduler_.num_running());
  stats.waiting = static_cast<int>(scheduler_.num_waiting());
  stats.kv_blocks_total = kv_cache_.num_blocks();
  stats.kv_blocks_used = kv_cache_.num_used();
  stats.kv_blocks_shared = kv_cache_.num_shared();
  stats.prefix_cache_queries = scheduler_.prefix_cache_queries();
  stats.prefix_cache_hits = scheduler_.prefix_cache_hits();
  stats.preemptions = scheduler_.num_preemptions();
  stats.prompt_tokens = prompt_tokens_;
  stats.generation_tokens = generation_tokens_;
}

}  // namespace cairn
