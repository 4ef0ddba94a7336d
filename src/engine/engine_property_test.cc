// Random request streams over small caches: whatever else runs, however prefill is cut, cached, preempted or ordered,
// each request's answer is the one it gets alone, and the blocks' books always balance.
#include <gtest/gtest.h>

#include <random>

#include "engine/core_driver.h"

namespace cairn {
namespace {

using testing::Driver;
using testing::FakeLimits;

struct Job {
  std::vector<int> prompt;
  SamplingParams params;
  std::uint64_t seed;
  int priority;
  int arrives;                   // at this step
  std::optional<int> cancelled;  // at this step
};

class Streams {
 public:
  explicit Streams(std::uint32_t seed) : random_(seed) {}

  int below(int n) { return static_cast<int>(random_() % static_cast<std::uint32_t>(n)); }
  bool chance(int percent) { return below(100) < percent; }

  SamplingParams params() {
    SamplingParams p;
    p.temperature = chance(50) ? 0.0 : 0.5 + below(10) / 10.0;
    p.max_tokens = 1 + below(40);
    if (chance(20)) p.max_tokens.reset();
    if (chance(20)) p.min_tokens = below(p.max_tokens.value_or(20) + 1);
    if (chance(30)) p.stop_token_ids = {below(48), below(48)};
    if (chance(20)) p.top_k = 1 + below(20);
    if (chance(20)) p.top_p = 0.3 + below(7) / 10.0;
    if (chance(15)) p.min_p = below(5) / 20.0;
    if (chance(20)) p.repetition_penalty = 0.8 + below(8) / 10.0;
    if (chance(20)) p.frequency_penalty = below(20) / 10.0;
    if (chance(15)) p.logit_bias = {{below(48), 3.0}};
    if (chance(15)) p.logprobs = below(4);
    if (chance(10)) p.prompt_logprobs = below(3);
    if (!p.greedy() && chance(25)) p.n = 2 + below(3);
    return p;
  }
  // Prompts begin with one of a few texts, so that prefixes are shared, evicted and hit again.
  std::vector<int> prompt() {
    std::vector<int> tokens;
    const int family = below(3), shared = below(60);
    for (int i = 0; i < shared; ++i) tokens.push_back((family * 17 + i * (family + 1)) % 48);
    for (int i = 1 + below(30); i > 0; --i) tokens.push_back(below(48));
    return tokens;
  }
  std::vector<Job> jobs(int count) {
    std::vector<Job> result;
    for (int i = 0, step = 0; i < count; ++i, step += chance(50) ? 0 : below(12)) {
      result.push_back({prompt(), params(), random_(), below(3), step, std::nullopt});
      if (chance(15)) result.back().cancelled = step + below(40);
    }
    return result;
  }
  FakeLimits limits() {
    FakeLimits limits;
    limits.block_size = 1 << below(4);
    const auto blocks = (limits.max_model_len + limits.block_size - 1) / limits.block_size;
    limits.num_kv_blocks = 1 + blocks + below(static_cast<int>(blocks));
    limits.max_num_batched_tokens = 1 + below(100);
    limits.max_num_seqs = 1 + below(10);
    return limits;
  }
  EngineConfig config(FakeLimits& limits) {
    EngineConfig config;
    config.policy = chance(50) ? SchedulingPolicy::priority : SchedulingPolicy::fcfs;
    config.enable_prefix_caching = chance(70);
    config.enable_chunked_prefill = chance(75);
    if (!config.enable_chunked_prefill) limits.max_num_batched_tokens = 128 + below(100);
    if (chance(30)) config.long_prefill_token_threshold = 1 + below(20);
    return config;
  }

 private:
  std::mt19937 random_;
};

// The same job with nothing else around: no cache, all the room, the prompt in one go.
const Driver& alone(const Job& job, std::map<const Job*, std::unique_ptr<Driver>>& done) {
  std::unique_ptr<Driver>& driver = done[&job];
  if (driver) return *driver;
  EngineConfig config;
  config.enable_prefix_caching = false;
  FakeLimits limits;
  limits.max_num_batched_tokens = 1024;
  limits.num_kv_blocks = 1024;
  driver = std::make_unique<Driver>(config, limits);
  driver->add(job.prompt, job.params, job.seed);
  driver->run();
  return *driver;
}

bool same(const TokenLogprob& a, const TokenLogprob& b) {
  return a.token_id == b.token_id && a.logprob == b.logprob && a.rank == b.rank;
}

void expect_same_prompt_logprobs(const Driver& driver, std::uint64_t key, const Driver& expected) {
  const auto& got = driver.prompt_logprobs.at({key, 0});
  const auto& want = expected.prompt_logprobs.at({1, 0});
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 1; i < got.size(); ++i) ASSERT_TRUE(same(got[i]->chosen, want[i]->chosen));
}

void compare(Driver& driver, std::uint64_t key, const Job& job, Driver& expected) {
  for (int index = 0; index < job.params.n; ++index) {
    const std::pair id(key, index), solo(std::uint64_t{1}, index);
    ASSERT_TRUE(driver.finished.contains(id));
    const std::vector<int>& got = driver.answers[id];
    std::vector<int> want = expected.answers[solo];
    if (driver.finished[id].finish_reason == FinishReason::abort) {
      ASSERT_TRUE(job.cancelled);
      ASSERT_LE(got.size(), want.size());
      want.resize(got.size());
    } else {
      ASSERT_EQ(driver.finished[id].finish_reason, expected.finished[solo].finish_reason);
      ASSERT_EQ(driver.finished[id].stop_reason, expected.finished[solo].stop_reason);
    }
    ASSERT_EQ(got, want);
    const auto& logprobs = driver.logprobs[id];
    ASSERT_EQ(logprobs.size(), job.params.logprobs ? got.size() : 0);
    for (std::size_t i = 0; i < logprobs.size(); ++i) {
      ASSERT_TRUE(same(logprobs[i].chosen, expected.logprobs[solo][i].chosen));
    }
  }
  if (job.params.prompt_logprobs && driver.prompt_logprobs.contains({key, 0})) {
    expect_same_prompt_logprobs(driver, key, expected);
  }
}

struct Totals {
  std::int64_t preemptions = 0, hits = 0, aborts = 0, tokens = 0;
};

void run_stream(std::uint32_t seed, Totals& totals) {
  Streams streams(seed);
  FakeLimits limits = streams.limits();
  const EngineConfig config = streams.config(limits);
  const std::vector<Job> jobs = streams.jobs(4 + streams.below(14));
  Driver driver(config, limits);
  std::vector<std::uint64_t> keys(jobs.size(), 0);
  std::size_t arrived = 0;
  for (int step = 0; arrived < jobs.size() || driver.core.has_work(); ++step) {
    ASSERT_LT(step, 20000) << "no progress";
    for (; arrived < jobs.size() && jobs[arrived].arrives <= step; ++arrived) {
      const Job& job = jobs[arrived];
      keys[arrived] = driver.add(job.prompt, job.params, job.seed, job.priority);
    }
    for (std::size_t i = 0; i < arrived; ++i) {
      if (jobs[i].cancelled == step) driver.abort(keys[i]);
    }
    if (streams.chance(1)) driver.core.reset_prefix_cache();
    if (driver.core.has_work()) driver.step();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_EQ(driver.core.kv_cache().num_used(), 0);
  std::map<const Job*, std::unique_ptr<Driver>> references;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    alone(jobs[i], references);
    compare(driver, keys[i], jobs[i], *references[&jobs[i]]);
    if (::testing::Test::HasFatalFailure()) return;
    totals.aborts += driver.finished[{keys[i], 0}].finish_reason == FinishReason::abort;
  }
  EngineStats stats;
  driver.core.fill(stats);
  totals.preemptions += stats.preemptions;
  totals.hits += stats.prefix_cache_hits;
  totals.tokens += stats.generation_tokens;
}

TEST(EngineProperties, AnswersDoNotDependOnCompanyAndNoBlockIsLost) {
  Totals totals;
  for (std::uint32_t seed = 1; seed <= 500; ++seed) {
    run_stream(seed, totals);
    ASSERT_FALSE(HasFailure()) << "stream " << seed;
  }
  // The streams must reach the hard paths, or they prove nothing.
  EXPECT_GT(totals.preemptions, 1000);
  EXPECT_GT(totals.hits, 10000);
  EXPECT_GT(totals.aborts, 100);
  RecordProperty("tokens", static_cast<int>(totals.tokens));
}

}  // namespace
}  // namespace cairn
