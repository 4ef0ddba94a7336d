#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace cairn {
namespace {

struct Bench {
  explicit Bench(SchedulerConfig config, std::int64_t blocks = 9) : kv(blocks, 4, true), scheduler(config, kv) {}

  Sequence& add(int prompt_length, int priority = 0, int first_token = 0) {
    auto info = std::make_shared<RequestInfo>();
    info->key = sequences.size() + 1;
    info->priority = priority;
    for (int i = 0; i < prompt_length; ++i) info->prompt.push_back(first_token + i);
    info->root_hash = kv.root_hash("");
    info->prompt_hashes = kv.hash_blocks(info->root_hash, info->prompt);
    sequences.push_back(std::make_unique<Sequence>(info, 0));
    scheduler.add(*sequences.back());
    return *sequences.back();
  }
  SchedulerOutput step() {
    SchedulerOutput output = scheduler.schedule();
    for (const ScheduledSequence& part : output.scheduled) {
      if (part.samples) part.sequence->output.push_back(7);
    }
    return output;
  }

  KvCacheManager kv;
  std::vector<std::unique_ptr<Sequence>> sequences;
  Scheduler scheduler;
};

TEST(Scheduler, PreemptionTakesBackWhatTheStepHadGivenAndHidesUncomputedBlocks) {
  SchedulerConfig config;
  config.policy = SchedulingPolicy::priority;
  config.long_prefill_token_threshold = 8;
  Bench bench(config);
  Sequence& late = bench.add(40, 5);
  bench.step();
  Sequence& urgent = bench.add(8, 0, 100);
  EXPECT_EQ(bench.step().num_tokens, 16);
  // The late prefill takes the last two blocks; then the urgent one's next token needs a block.
  const SchedulerOutput output = bench.step();
  ASSERT_EQ(output.scheduled.size(), 1u);
  EXPECT_EQ(output.scheduled[0].sequence, &urgent);
  EXPECT_EQ(output.num_tokens, 1);
  ASSERT_EQ(output.preempted.size(), 1u);
  EXPECT_EQ(output.preempted[0], &late);
  EXPECT_EQ(late.status, SequenceStatus::waiting);
  EXPECT_EQ(bench.kv.get_computed_blocks(late).num_tokens, 16) << "the chunk of this step was never computed";
}

TEST(Scheduler, AStepThatPreemptsAdmitsNobody) {
  SchedulerConfig config;
  Bench bench(config);
  bench.add(16);
  Sequence& last = bench.add(16, 0, 100);
  bench.step();
  bench.add(2, 0, 200);
  const SchedulerOutput output = bench.step();
  ASSERT_EQ(output.preempted.size(), 1u);
  EXPECT_EQ(output.preempted[0], &last) << "first come, first served: the newest gives way";
  EXPECT_EQ(output.scheduled.size(), 1u);
  EXPECT_EQ(bench.scheduler.num_waiting(), 2);
}

TEST(Scheduler, APreemptedSequenceComesBackBeforeOthersAndKeepsItsOutput) {
  SchedulerConfig config;
  Bench bench(config);
  Sequence& first = bench.add(16);
  Sequence& second = bench.add(16, 0, 100);
  bench.step();
  Sequence& third = bench.add(2, 0, 200);
  bench.step();
  EXPECT_EQ(second.output.size(), 1u);
  EXPECT_EQ(second.num_preemptions, 1);
  bench.scheduler.finish(first);
  const SchedulerOutput output = bench.step();
  ASSERT_EQ(output.scheduled.size(), 2u);
  EXPECT_EQ(output.scheduled[0].sequence, &second);
  EXPECT_EQ(output.scheduled[0].start + output.scheduled[0].num_tokens, 17);
  EXPECT_EQ(output.scheduled[1].sequence, &third);
}

TEST(Scheduler, PromptLogprobRowsAreBoundedInAStep) {
  SchedulerConfig config;
  config.max_prompt_logprob_rows = 10;
  Bench bench(config, 20);
  auto info = std::make_shared<RequestInfo>();
  info->key = 99;
  info->prompt.assign(30, 1);
  info->params.prompt_logprobs = 1;
  Sequence sequence(info, 0);
  bench.scheduler.add(sequence);
  std::int64_t rows = 0;
  for (const std::int64_t expected : {10, 10, 10}) {
    const SchedulerOutput output = bench.step();
    ASSERT_EQ(output.scheduled.size(), 1u);
    EXPECT_EQ(output.scheduled[0].num_tokens, expected);
    EXPECT_LE(output.scheduled[0].num_prompt_rows, 10);
    rows += output.scheduled[0].num_prompt_rows;
    sequence.prompt_logprobs.resize(rows + 1);
  }
  EXPECT_EQ(rows, 29);
  EXPECT_EQ(sequence.output.size(), 1u);
}

}  // namespace
}  // namespace cairn
