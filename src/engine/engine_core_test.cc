#include "engine/engine_core.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/core_driver.h"

namespace cairn {
namespace {

using testing::Driver;
using testing::FakeLimits;

SamplingParams greedy(int max_tokens) {
  SamplingParams params;
  params.temperature = 0;
  params.max_tokens = max_tokens;
  return params;
}

std::vector<int> numbers(int first, int count) {
  std::vector<int> result(count);
  for (int i = 0; i < count; ++i) result[i] = (first + i) % 48;
  return result;
}

TEST(EngineCore, GreedyAnswerIsTheModelsOwn) {
  Driver driver;
  const auto key = driver.add(numbers(3, 11), greedy(20));
  driver.run();
  EXPECT_EQ((driver.answers[{key, 0}]), testing::fake_greedy(numbers(3, 11), 20, 48));
  EXPECT_EQ((driver.finished[{key, 0}].finish_reason), FinishReason::length);
}

TEST(EngineCore, DecodesJoinAPrefillInOneBudget) {
  FakeLimits limits;
  limits.max_num_batched_tokens = 10;
  Driver driver({}, limits);
  driver.add(numbers(0, 4), greedy(20));
  driver.step();
  driver.add(numbers(9, 25), greedy(2));
  const EngineCore::StepResult result = driver.core.step();
  EXPECT_EQ(result.decode_tokens, 1);
  EXPECT_EQ(result.prefill_tokens, 9);
  EXPECT_EQ(result.seqs, 2);
}

TEST(EngineCore, LongPrefillThresholdLeavesRoomForOthers) {
  EngineConfig config;
  config.long_prefill_token_threshold = 8;
  Driver driver(config);
  driver.add(numbers(0, 40), greedy(1));
  driver.add(numbers(7, 5), greedy(1));
  const EngineCore::StepResult result = driver.core.step();
  EXPECT_EQ(result.prefill_tokens, 13);
  EXPECT_EQ(result.seqs, 2);
}

TEST(EngineCore, WithoutChunkingAPromptRunsWholeOrWaits) {
  EngineConfig config;
  config.enable_chunked_prefill = false;
  FakeLimits limits;
  limits.max_num_batched_tokens = 128;
  Driver driver(config, limits);
  driver.add(numbers(0, 100), greedy(1));
  driver.add(numbers(7, 100), greedy(1));
  EXPECT_EQ(driver.core.step().prefill_tokens, 100);
  EXPECT_EQ(driver.core.step().prefill_tokens, 100);
}

TEST(EngineCore, RefusesLimitsThatCannotServeOneRequest) {
  FakeLimits small_cache;
  small_cache.num_kv_blocks = 32;
  EXPECT_THROW(Driver({}, small_cache), Error);
  EngineConfig whole;
  whole.enable_chunked_prefill = false;
  EXPECT_THROW(Driver(whole, {}), Error) << "a budget of 64 cannot take a prompt of 127 whole";
}

TEST(EngineCore, ASecondRequestReadsTheFirstOnesPrefix) {
  Driver driver;
  driver.add(numbers(0, 30), greedy(1));
  driver.run();
  const auto key = driver.add(numbers(0, 30), greedy(3));
  EXPECT_EQ(driver.core.step().prefill_tokens, 2) << "28 of 30 tokens are in full cached blocks";
  driver.run();
  EXPECT_EQ((driver.finished[{key, 0}].cached_tokens), 28);
  EngineStats stats;
  driver.core.fill(stats);
  EXPECT_EQ(stats.prefix_cache_queries, 60);
  EXPECT_EQ(stats.prefix_cache_hits, 28);
}

TEST(EngineCore, ChoicesShareThePromptWithinOneStep) {
  Driver driver;
  SamplingParams params;
  params.n = 4;
  params.max_tokens = 2;
  driver.add(numbers(0, 30), params);
  EXPECT_EQ(driver.core.step().prefill_tokens, 30 + 3 * 2);
  EngineStats stats;
  driver.core.fill(stats);
  EXPECT_EQ(stats.kv_blocks_shared, 7);
  EXPECT_EQ(stats.kv_blocks_used, 7 + 4);
  driver.check_books();
}

TEST(EngineCore, PriorityPreemptsTheLeastUrgent) {
  EngineConfig config;
  config.policy = SchedulingPolicy::priority;
  FakeLimits limits;
  limits.num_kv_blocks = 33;
  Driver driver(config, limits);
  const auto late = driver.add(numbers(0, 60), greedy(40), 1, 5);
  driver.step();
  const auto urgent = driver.add(numbers(20, 60), greedy(40), 1, -1);
  driver.run();
  EXPECT_EQ((driver.answers[{late, 0}]), testing::fake_greedy(numbers(0, 60), 40, 48));
  EXPECT_EQ((driver.answers[{urgent, 0}]), testing::fake_greedy(numbers(20, 60), 40, 48));
  EngineStats stats;
  driver.core.fill(stats);
  EXPECT_GT(stats.preemptions, 0);
  EXPECT_LT((driver.finished[{urgent, 0}].time), (driver.finished[{late, 0}].time));
}

TEST(EngineCore, WaitingRequestsRunByPriorityThenArrival) {
  EngineConfig config;
  config.policy = SchedulingPolicy::priority;
  FakeLimits limits;
  limits.max_num_seqs = 1;
  Driver driver(config, limits);
  const auto a = driver.add(numbers(0, 4), greedy(2), 1, 1);
  const auto b = driver.add(numbers(1, 4), greedy(2), 1, 0);
  const auto c = driver.add(numbers(2, 4), greedy(2), 1, 0);
  driver.run();
  EXPECT_LT((driver.finished[{b, 0}].time), (driver.finished[{c, 0}].time));
  EXPECT_LT((driver.finished[{c, 0}].time), (driver.finished[{a, 0}].time));
}

TEST(EngineCore, EndsAtStopTokensEndTokensAndLengths) {
  const std::vector<int> natural = testing::fake_greedy(numbers(5, 9), 12, 48);
  Driver driver;
  SamplingParams stop = greedy(12);
  stop.stop_token_ids = {natural[4]};
  const auto first = std::find(natural.begin(), natural.end(), natural[4]) - natural.begin();
  const auto stopped = driver.add(numbers(5, 9), stop);
  stop.min_tokens = static_cast<int>(first) + 2;
  const auto longer = driver.add(numbers(5, 9), stop);
  SamplingParams endless = greedy(1);
  endless.max_tokens.reset();
  const auto full = driver.add(numbers(5, 9), endless);
  driver.run();
  EXPECT_EQ((driver.answers[{stopped, 0}].size()), first + 1u) << "the stop token is part of the tokens";
  EXPECT_EQ((driver.finished[{stopped, 0}].finish_reason), FinishReason::stop);
  EXPECT_EQ((driver.finished[{stopped, 0}].stop_reason), StopReason(natural[4]));
  EXPECT_GE((driver.answers[{longer, 0}].size()), first + 2u);
  EXPECT_NE((driver.answers[{longer, 0}][first]), natural[4]) << "masked while below min_tokens";
  EXPECT_EQ((driver.answers[{full, 0}].size()), 128u - 9u);
}

TEST(EngineCore, PromptLogprobsComeWholeWhateverTheChunksAndTheCache) {
  FakeLimits limits;
  limits.max_num_batched_tokens = 7;
  Driver driver({}, limits);
  const std::vector<int> prompt = numbers(11, 40);
  driver.add(prompt, greedy(1));
  driver.run();
  SamplingParams params = greedy(2);
  params.prompt_logprobs = 2;
  const auto key = driver.add(prompt, params);
  driver.run();
  EXPECT_EQ((driver.finished[{key, 0}].cached_tokens), 0);
  const auto& got = driver.prompt_logprobs[{key, 0}];
  ASSERT_EQ(got.size(), prompt.size());
  EXPECT_FALSE(got[0]);
  for (std::size_t i = 1; i < prompt.size(); ++i) {
    const std::vector<float> row = testing::fake_logits_after(std::span(prompt).first(i), 48);
    double sum = 0;
    for (const float x : row) sum += std::exp(static_cast<double>(x));
    ASSERT_TRUE(got[i]);
    EXPECT_EQ(got[i]->chosen.token_id, prompt[i]);
    EXPECT_NEAR(got[i]->chosen.logprob, row[prompt[i]] - std::log(sum), 1e-5);
    EXPECT_EQ(got[i]->top.size(), 2u);
  }
}

TEST(EngineCore, OneChoicesBadLogitsEndOnlyItself) {
  Driver driver;
  const auto good = driver.add(numbers(0, 5), greedy(6));
  const auto bad = driver.add(numbers(20, 5), greedy(6));
  driver.step();
  driver.runner.after_step = [](std::vector<float>& logits) { logits.at(48 + 3) = std::nanf(""); };
  driver.step();
  driver.runner.after_step = nullptr;
  driver.run();
  EXPECT_EQ((driver.finished[{bad, 0}].finish_reason), FinishReason::error);
  EXPECT_NE((driver.finished[{bad, 0}].error.find("not numbers")), std::string::npos);
  EXPECT_EQ((driver.answers[{good, 0}]), testing::fake_greedy(numbers(0, 5), 6, 48));
}

TEST(EngineCore, AFailedStepEndsItsSequencesAndTheEngineGoesOn) {
  FakeLimits limits;
  limits.max_num_seqs = 2;
  Driver driver({}, limits);
  const auto a = driver.add(numbers(0, 25), greedy(4));
  const auto b = driver.add(numbers(9, 5), greedy(4));
  const auto c = driver.add(numbers(0, 25), greedy(4));
  driver.runner.before_step = [](const StepBatch&) { throw std::runtime_error("out of luck"); };
  driver.step();
  driver.runner.before_step = nullptr;
  driver.run();
  EXPECT_EQ((driver.finished[{a, 0}].error), "out of luck");
  EXPECT_EQ((driver.finished[{b, 0}].finish_reason), FinishReason::error);
  EXPECT_EQ((driver.finished[{c, 0}].cached_tokens), 0) << "what the failed step should have computed is not there";
  EXPECT_EQ((driver.answers[{c, 0}]), testing::fake_greedy(numbers(0, 25), 4, 48));
}

TEST(EngineCore, RepeatedFailureEndsEverythingPending) {
  FakeLimits limits;
  limits.max_num_seqs = 1;
  Driver driver({}, limits);
  for (int i = 0; i < 6; ++i) driver.add(numbers(i, 5), greedy(4));
  driver.runner.before_step = [](const StepBatch&) { throw std::runtime_error("broken"); };
  driver.run();
  EXPECT_EQ(driver.runner.steps, 3);
  EXPECT_EQ(driver.finished.size(), 6u);
}

}  // namespace
}  // namespace cairn
