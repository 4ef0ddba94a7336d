#include "engine/scheduler.h"

#include <algorithm>
#include <cassert>

namespace cairn {
namespace {

struct RowRange {
  std::int64_t first = 0, count = 0;
};

// Rows of [start, start + count) whose logits give a prompt log-probability not had yet: the row at t tells about t
// + 1.
RowRange prompt_rows(const Sequence& sequence, std::int64_t start, std::int64_t count) {
  if (!sequence.wants_prompt_logprobs()) return {};
  const auto done = std::max<std::int64_t>(static_cast<std::int64_t>(sequence.prompt_logprobs.size()), 1);
  const std::int64_t first = std::max(start, done - 1);
  const std::int64_t end = std::min(start + count, sequence.num_prompt_tokens() - 1);
  return {first, std::max<std::int64_t>(end - first, 0)};
}

}  // namespace

Scheduler::Scheduler(SchedulerConfig config, KvCacheManager& kv_cache) : config_(config), kv_cache_(kv_cache) {}

Scheduler::QueueKey Scheduler::queue_key(const Sequence& sequence) const {
  const int priority = config_.policy == SchedulingPolicy::priority ? sequence.request->priority : 0;
  return {priority, sequence.request->key, sequence.index};
}

void Scheduler::add(Sequence& sequence) {
  sequence.status = SequenceStatus::waiting;
  waiting_.emplace(queue_key(sequence), &sequence);
}

void Scheduler::finish(Sequence& sequence) {
  if (sequence.status == SequenceStatus::running) {
    running_.erase(std::ranges::find(running_, &sequence));
  } else if (sequence.status == SequenceStatus::waiting) {
    waiting_.erase(queue_key(sequence));
  }
  sequence.status = SequenceStatus::finished;
  kv_cache_.free(sequence);
}

SchedulerOutput Scheduler::schedule() {
  SchedulerOutput output;
  Budget budget{config_.max_num_batched_tokens, config_.max_prompt_logprob_rows};
  schedule_running(output, budget);
  // Only now: until here a sequence of this step could still be preempted with its new blocks uncomputed.
  for (const ScheduledSequence& part : output.scheduled) kv_cache_.register_full_blocks(*part.sequence);
  if (output.preempted.empty()) schedule_waiting(output, budget);
  return output;
}

// Tokens to run of a sequence computed up to `start`; 0 when it must wait.
std::int64_t Scheduler::chunk_size(const Sequence& sequence, std::int64_t start, const Budget& budget) const {
  std::int64_t count = sequence.num_tokens() - start;
  if (!config_.enable_chunked_prefill) {
    const bool rows_fit = prompt_rows(sequence, start, count).count <= budget.prompt_rows ||
                          budget.prompt_rows == config_.max_prompt_logprob_rows;
    return count <= budget.tokens && rows_fit ? count : 0;
  }
  if (config_.long_prefill_token_threshold > 0) count = std::min(count, config_.long_prefill_token_threshold);
  count = std::min(count, budget.tokens);
  const RowRange rows = prompt_rows(sequence, start, count);
  if (rows.count > budget.prompt_rows) count = rows.first + budget.prompt_rows - start;
  return count;
}

void Scheduler::commit(Sequence& sequence, std::int64_t start, std::int64_t count, SchedulerOutput& output,
                       Budget& budget) {
  const RowRange rows = prompt_rows(sequence, start, count);
  const bool samples = start + count == sequence.num_tokens();
  output.scheduled.push_back({&sequence, start, count, rows.first, rows.count, samples});
  output.num_tokens += count;
  budget.tokens -= count;
  budget.prompt_rows = std::max<std::int64_t>(budget.prompt_rows - rows.count, 0);
  sequence.num_computed_tokens = start + count;
}

void Scheduler::schedule_running(SchedulerOutput& output, Budget& budget) {
  std::size_t i = 0;
  while (i < running_.size() && budget.tokens > 0) {
    Sequence& sequence = *running_[i];
    const std::int64_t count = chunk_size(sequence, sequence.num_computed_tokens, budget);
    while (count > 0 && sequence.status == SequenceStatus::running && !kv_cache_.allocate_slots(sequence, count)) {
      const std::size_t victim = pick_victim();
      preempt(victim, output, budget);
      if (victim < i) --i;
    }
    if (sequence.status != SequenceStatus::running) continue;  // it was the victim itself; the next one took its place
    if (count > 0) commit(sequence, sequence.num_computed_tokens, count, output, budget);
    ++i;
  }
}

std::size_t Scheduler::pick_victim() const {
  if (config_.policy == SchedulingPolicy::fcfs) return running_.size() - 1;
  const auto last = std::ranges::max_element(running_, {}, [this](const Sequence* s) { return queue_key(*s); });
  return static_cast<std::size_t>(last - running_.begin());
}

void Scheduler::preempt(std::size_t running_index, SchedulerOutput& output, Budget& budget) {
  Sequence& victim = *running_[running_index];
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(running_index));
  // With priorities the victim may already have its part in this step: take that back.
  const auto part = std::ranges::find(output.scheduled, &victim, &ScheduledSequence::sequence);
  if (part != output.scheduled.end()) {
    output.num_tokens -= part->num_tokens;
    budget.tokens += part->num_tokens;
    budget.prompt_rows = std::min(budget.prompt_rows + part->num_prompt_rows, config_.max_prompt_logprob_rows);
    output.scheduled.erase(part);
  }
  kv_cache_.free(victim);
  victim.num_computed_tokens = 0;
  ++victim.num_preemptions;
  ++num_preemptions_;
  output.preempted.push_back(&victim);
  add(victim);
}

void Scheduler::schedule_waiting(SchedulerOutput& output, Budget& budget) {
  while (!waiting_.empty() && budget.tokens > 0 && num_running() < config_.max_num_seqs) {
    Sequence& sequence = *waiting_.begin()->second;
    const CachedPrefix prefix = kv_cache_.get_computed_blocks(sequence);
    const std::int64_t count = chunk_size(sequence, prefix.num_tokens, budget);
    // A waiting sequence never preempts, and none overtakes it.
    if (count == 0 || !kv_cache_.allocate_slots(sequence, count, prefix)) return;
    waiting_.erase(waiting_.begin());
    running_.push_back(&sequence);
    sequence.status = SequenceStatus::running;
    if (!sequence.first_scheduled) {
      sequence.first_scheduled = EngineClock::now();
      sequence.num_cached_tokens = prefix.num_tokens;
      prefix_cache_queries_ += sequence.num_tokens();
      prefix_cache_hits_ += prefix.num_tokens;
    }
    commit(sequence, prefix.num_tokens, count, output, budget);
    // At once, so that the next sequence of this very step shares them: the runner stores a layer's keys and values of
    // the whole batch before any attention reads them.
    kv_cache_.register_full_blocks(sequence);
  }
}

}  // namespace cairn
