#include "cli/batch.h"

#include <gmock/gmock.h>
#include <spdlog/spdlog.h>

#include <thread>

#include "engine/fake_model.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct Fixture {
  explicit Fixture(EngineConfig config = {}, const std::function<void(const StepBatch&)>& before_step = nullptr) {
    auto runner = std::make_unique<testing::FakeRunner>();
    runner->before_step = before_step;
    engine = std::make_unique<Engine>(config, std::move(runner), std::make_shared<const testing::FakeTokenizer>(),
                                      make_log("off"));
  }
  std::unique_ptr<Engine> engine;
};

BatchJob job(int first, int tokens, int n = 1) {
  BatchJob made;
  made.prompt = {first, 2, 3};
  made.params.temperature = n == 1 ? 0 : 1;
  made.params.max_tokens = tokens;
  made.params.ignore_eos = true;
  made.params.n = n;
  return made;
}

struct Gathered {
  std::vector<std::size_t> order;
  std::vector<BatchAnswer> answers;
  BatchEvents events() {
    BatchEvents made;
    made.on_answer = [this](std::size_t index, const BatchAnswer& answer) {
      order.push_back(index);
      answers.push_back(answer);
    };
    return made;
  }
};

TEST(RunBatch, AnswersInOrderWhateverTheirLengths) {
  Fixture setup;
  std::vector<BatchJob> jobs;
  for (int i = 0; i < 60; ++i) jobs.push_back(job(1 + i % 40, 1 + (59 - i) % 17));
  Gathered got;
  std::atomic<bool> stop{false};
  EXPECT_EQ(run_batch(*setup.engine, jobs, got.events(), stop), jobs.size());
  ASSERT_EQ(got.order.size(), jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    EXPECT_EQ(got.order[i], i);
    const int tokens = *jobs[i].params.max_tokens;
    EXPECT_EQ(got.answers[i].choices[0].token_ids, testing::fake_greedy(jobs[i].prompt, tokens, 48));
    EXPECT_EQ(got.answers[i].completion_tokens, tokens);
    EXPECT_EQ(got.answers[i].prompt_tokens, 3);
    EXPECT_EQ(got.answers[i].choices[0].finish_reason, "length");
  }
}

TEST(RunBatch, ManyChoicesNeverFillTheEnginesQueue) {
  EngineConfig config;
  config.max_waiting = 6;
  Fixture setup(config);
  std::vector<BatchJob> jobs(20, job(5, 4, 5));
  Gathered got;
  std::atomic<bool> stop{false};
  EXPECT_EQ(run_batch(*setup.engine, jobs, got.events(), stop), jobs.size());
  for (const BatchAnswer& answer : got.answers) {
    EXPECT_EQ(answer.error, "");
    ASSERT_EQ(answer.choices.size(), 5u);
    for (const BatchChoice& choice : answer.choices) EXPECT_EQ(choice.token_ids.size(), 4u);
  }
}

TEST(RunBatch, ARefusedJobIsAnsweredByItsError) {
  Fixture setup;
  std::vector<BatchJob> jobs = {job(1, 2), job(1, 2), job(99, 2), job(1, 0), job(1, 2)};
  jobs[1].error = "line 2: no JSON";
  Gathered got;
  std::atomic<bool> stop{false};
  EXPECT_EQ(run_batch(*setup.engine, jobs, got.events(), stop), 5u);
  EXPECT_EQ(got.answers[1].error, "line 2: no JSON");
  EXPECT_THAT(got.answers[2].error, HasSubstr("out of vocabulary"));
  EXPECT_THAT(got.answers[3].error, HasSubstr("max_tokens must be at least 1, got 0."));
  for (std::size_t good : {0u, 4u}) EXPECT_EQ(got.answers[good].choices[0].token_ids.size(), 2u);
}

TEST(RunBatch, AFailedStepFailsItsJobsAndTheRestGoesOn) {
  std::atomic<int> steps{0};
  Fixture setup({}, [&](const StepBatch&) {
    if (++steps == 2) throw std::runtime_error("the step broke");
  });
  std::vector<BatchJob> jobs(40, job(7, 4));
  Gathered got;
  std::atomic<bool> stop{false};
  EXPECT_EQ(run_batch(*setup.engine, jobs, got.events(), stop), jobs.size());
  const auto failed = std::count_if(got.answers.begin(), got.answers.end(),
                                    [](const BatchAnswer& answer) { return !answer.error.empty(); });
  EXPECT_GT(failed, 0);
  EXPECT_LT(failed, 40);
}

TEST(RunBatch, StoppedItReportsNoCutAnswer) {
  std::atomic<bool> stop{false};
  Fixture setup({}, [&](const StepBatch&) { std::this_thread::sleep_for(1ms); });
  std::vector<BatchJob> jobs;
  for (int i = 0; i < 100; ++i) jobs.push_back(job(1 + i % 40, 3 + i % 30));
  Gathered got;
  BatchEvents events = got.events();
  events.on_progress = [&](std::int64_t, std::size_t done) {
    if (done >= 10) stop = true;
  };
  const std::size_t answered = run_batch(*setup.engine, jobs, events, stop);
  EXPECT_LT(answered, jobs.size());
  EXPECT_EQ(answered, got.answers.size());
  for (std::size_t i = 0; i < answered; ++i) {
    EXPECT_EQ(got.order[i], i);
    EXPECT_EQ(got.answers[i].completion_tokens, *jobs[i].params.max_tokens);
  }
}

TEST(RunBatch, StoppedBeforeItBeginsItDoesNothing) {
  Fixture setup;
  std::atomic<bool> stop{true};
  Gathered got;
  EXPECT_EQ(run_batch(*setup.engine, {job(1, 2)}, got.events(), stop), 0u);
  EXPECT_TRUE(got.answers.empty());
}

}  // namespace
}  // namespace cairn
