#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "engine/fake_model.h"

namespace cairn {
namespace {

using testing::FakeLimits;
using testing::FakeRunner;
using testing::FakeTokenizer;
using namespace std::chrono_literals;

// Gathers a request's pieces; safe to read once wait() has returned.
class Collector {
 public:
  OutputSink sink() {
    return [this](RequestOutput&& piece) {
      std::lock_guard lock(mutex_);
      EXPECT_FALSE(last_) << "a piece after the last";
      Choice& choice = choices[piece.index];
      EXPECT_FALSE(choice.finish) << "a piece after the choice's end";
      choice.text += piece.text;
      choice.tokens.insert(choice.tokens.end(), piece.token_ids.begin(), piece.token_ids.end());
      EXPECT_EQ(piece.completion_tokens, static_cast<int>(choice.tokens.size()));
      choice.finish = piece.finish_reason;
      choice.stop_reason = piece.stop_reason;
      choice.error = piece.error;
      choice.cached_tokens = piece.cached_tokens;
      ++pieces_;
      last_ = piece.last;
      changed_.notify_all();
    };
  }
  bool wait(std::chrono::seconds limit = 30s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [this] { return last_; });
  }
  bool wait_pieces(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 30s, [&] { return pieces_ >= count; });
  }

  struct Choice {
    std::string text, error;
    std::vector<int> tokens;
    std::optional<FinishReason> finish;
    std::variant<std::monostate, int, std::string> stop_reason;
    int cached_tokens = 0;
  };
  std::map<int, Choice> choices;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int pieces_ = 0;
  bool last_ = false;
};

struct Fixture {
  explicit Fixture(EngineConfig config = {}, FakeLimits limits = {}) {
    auto owned = std::make_unique<FakeRunner>(limits);
    runner = owned.get();
    engine = std::make_unique<Engine>(config, std::move(owned), std::make_shared<FakeTokenizer>(), null_log());
  }
  // Blocks come back at most a step after the last piece.
  bool all_blocks_free() const {
    for (int i = 0; i < 2000; ++i, std::this_thread::sleep_for(1ms)) {
      const EngineStats stats = engine->stats();
      if (stats.kv_blocks_used == 0 && stats.running == 0 && stats.waiting == 0) return true;
    }
    return false;
  }
  FakeRunner* runner;
  std::unique_ptr<Engine> engine;
};

Request make_request(std::string id, std::vector<int> prompt, SamplingParams params) {
  return {std::move(id), std::move(prompt), std::move(params), 0, ""};
}

SamplingParams greedy(int max_tokens) {
  SamplingParams params;
  params.temperature = 0;
  params.max_tokens = max_tokens;
  return params;
}

ErrorKind kind_of(const std::function<void()>& body, std::string* message = nullptr) {
  try {
    body();
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::internal;
}

TEST(Engine, AnswersAndDetokenizes) {
  Fixture f;
  Collector got;
  f.engine->submit(make_request("a", {1, 2, 3}, greedy(10)), got.sink());
  ASSERT_TRUE(got.wait());
  const std::vector<int> expected = testing::fake_greedy({1, 2, 3}, 10, 48);
  EXPECT_EQ(got.choices[0].tokens, expected);
  EXPECT_EQ(got.choices[0].finish, FinishReason::length);
  std::vector<int> with_text;
  std::ranges::copy_if(expected, std::back_inserter(with_text), [](int id) { return id < 46; });
  EXPECT_EQ(got.choices[0].text, FakeTokenizer().decode(with_text, true));
  EXPECT_TRUE(f.all_blocks_free());
}

TEST(Engine, EndTokensStopUnlessIgnored) {
  const std::vector<int> natural = testing::fake_greedy({4, 5}, 8, 48);
  EngineConfig config;
  config.eos_token_ids = {0, natural[2]};
  const auto end = std::ranges::find_first_of(natural, config.eos_token_ids) - natural.begin();
  ASSERT_EQ(natural[end], natural[2]);
  Fixture f(config);
  Collector stopped, ignored;
  f.engine->submit(make_request("a", {4, 5}, greedy(8)), stopped.sink());
  SamplingParams params = greedy(8);
  params.ignore_eos = true;
  f.engine->submit(make_request("b", {4, 5}, params), ignored.sink());
  ASSERT_TRUE(stopped.wait() && ignored.wait());
  EXPECT_EQ(stopped.choices[0].tokens.size(), end + 1u);
  EXPECT_EQ(stopped.choices[0].finish, FinishReason::stop);
  EXPECT_EQ(std::get<int>(stopped.choices[0].stop_reason), natural[2]) << "only the primary end token has no reason";
  EXPECT_EQ(ignored.choices[0].tokens.size(), 8u);
}

TEST(Engine, AStopStringEndsTheScheduledSequenceToo) {
  Fixture f;
  Collector free_run;
  f.engine->submit(make_request("a", {7, 8, 9}, greedy(100)), free_run.sink());
  ASSERT_TRUE(free_run.wait());
  const std::string whole = free_run.choices[0].text;
  SamplingParams params = greedy(100);
  params.stop = {whole.substr(5, 3)};
  Collector stopped;
  f.engine->submit(make_request("b", {7, 8, 9}, params), stopped.sink());
  ASSERT_TRUE(stopped.wait());
  EXPECT_EQ(stopped.choices[0].text, whole.substr(0, whole.find(params.stop[0])));
  EXPECT_EQ(std::get<std::string>(stopped.choices[0].stop_reason), params.stop[0]);
  EXPECT_TRUE(f.all_blocks_free());
}

TEST(Engine, ASeedGivesTheSameChoicesAloneAndInCompany) {
  SamplingParams params;
  params.n = 3;
  params.seed = 42;
  params.max_tokens = 20;
  Fixture alone, crowd;
  Collector first, second, noise[6];
  alone.engine->submit(make_request("a", {3, 1, 4}, params), first.sink());
  for (int i = 0; i < 6; ++i) {
    SamplingParams random;
    random.max_tokens = 30;
    crowd.engine->submit(make_request(fmt::format("noise {}", i), {3, 1, 4, i}, random), noise[i].sink());
  }
  crowd.engine->submit(make_request("a", {3, 1, 4}, params), second.sink());
  ASSERT_TRUE(first.wait() && second.wait());
  for (int index = 0; index < 3; ++index) {
    EXPECT_EQ(first.choices[index].tokens, second.choices[index].tokens);
  }
  EXPECT_NE(first.choices[0].tokens, first.choices[1].tokens) << "each choice has its own stream";
  params.n = 1;
  Collector single;
  alone.engine->submit(make_request("b", {3, 1, 4}, params), single.sink());
  ASSERT_TRUE(single.wait());
  EXPECT_EQ(single.choices[0].tokens, first.choices[0].tokens);
}

TEST(Engine, UnseededRequestsDiffer) {
  Fixture f;
  Collector a, b;
  SamplingParams params;
  params.max_tokens = 30;
  f.engine->submit(make_request("a", {3, 1, 4}, params), a.sink());
  f.engine->submit(make_request("b", {3, 1, 4}, params), b.sink());
  ASSERT_TRUE(a.wait() && b.wait());
  EXPECT_NE(a.choices[0].tokens, b.choices[0].tokens);
}

TEST(Engine, RefusesWhatItCannotServe) {
  Fixture f;
  Collector sink;
  std::string message;
  const auto submit = [&](std::vector<int> prompt) {
    return [&f, &sink, prompt] { f.engine->submit(make_request("a", prompt, greedy(4)), sink.sink()); };
  };
  EXPECT_EQ(kind_of(submit(std::vector<int>(129, 1)), &message), ErrorKind::invalid_argument);
  EXPECT_NE(message.find("length 129"), std::string::npos);
  EXPECT_NE(message.find("128"), std::string::npos);
  EXPECT_EQ(kind_of(submit(std::vector<int>(128, 1))), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(submit({})), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(submit({1, 48})), ErrorKind::invalid_argument);
  EXPECT_EQ(kind_of(submit({1, -1})), ErrorKind::invalid_argument);
  SamplingParams params = greedy(1);
  params.prompt_logprobs = -1;
  EXPECT_EQ(kind_of([&] { f.engine->submit(make_request("a", {1}, params), sink.sink()); }, &message),
            ErrorKind::invalid_argument);
  EXPECT_EQ(message, "Requested prompt logprobs of 48, which is greater than max allowed: 20");
  EXPECT_NO_THROW(submit(std::vector<int>(127, 1))());
  EXPECT_TRUE(sink.wait());
}

// Holds the runner inside a step until released.
class Gate {
 public:
  explicit Gate(FakeRunner& runner) {
    runner.before_step = [this](const StepBatch&) {
      entered_.store(true);
      while (!open_.load()) std::this_thread::sleep_for(100us);
    };
  }
  void wait_entered() const {
    while (!entered_.load()) std::this_thread::sleep_for(100us);
  }
  void open() { open_.store(true); }

 private:
  std::atomic<bool> entered_ = false, open_ = false;
};

TEST(Engine, AFullQueueAndUsedIdsAreRefused) {
  EngineConfig config;
  config.max_waiting = 2;
  FakeLimits limits;
  limits.max_num_seqs = 1;
  Fixture f(config, limits);
  Gate gate(*f.runner);
  Collector a, b, c, d;
  f.engine->submit(make_request("a", {1, 2}, greedy(2)), a.sink());
  gate.wait_entered();
  EXPECT_EQ(kind_of([&] {
              f.engine->submit(make_request("a", {1, 2}, greedy(2)), d.sink());
            }),
            ErrorKind::invalid_argument);
  f.engine->submit(make_request("b", {1, 2}, greedy(2)), b.sink());
  // "a" still counts as waiting until its step's books are published.
  const auto full = [&] { f.engine->submit(make_request("x", {1, 2}, greedy(2)), c.sink()); };
  EXPECT_EQ(kind_of(full), ErrorKind::resource_exhausted);
  gate.open();
  ASSERT_TRUE(a.wait() && b.wait());
  f.engine->submit(make_request("a", {1, 2}, greedy(2)), d.sink());
  EXPECT_TRUE(d.wait());
}

TEST(Engine, CancelWorksWaitingRunningAndInPrefill) {
  FakeLimits limits;
  limits.max_num_seqs = 1;
  limits.max_num_batched_tokens = 4;
  Fixture f({}, limits);
  Gate gate(*f.runner);
  Collector prefill, waiting, after;
  f.engine->submit(make_request("prefill", std::vector<int>(60, 3), greedy(50)), prefill.sink());
  gate.wait_entered();
  f.engine->submit(make_request("waiting", {1}, greedy(50)), waiting.sink());
  f.engine->submit(make_request("after", {2}, greedy(5)), after.sink());
  f.engine->cancel("prefill");
  f.engine->cancel("waiting");
  f.engine->cancel("unknown");
  gate.open();
  ASSERT_TRUE(prefill.wait() && waiting.wait() && after.wait());
  EXPECT_EQ(prefill.choices[0].finish, FinishReason::abort);
  EXPECT_TRUE(prefill.choices[0].tokens.empty());
  EXPECT_EQ(waiting.choices[0].finish, FinishReason::abort);
  EXPECT_EQ(after.choices[0].tokens, testing::fake_greedy({2}, 5, 48));
  EXPECT_EQ(f.runner->steps, 1 + 5) << "the cancelled prefill stopped after the step in flight";
  EXPECT_TRUE(f.all_blocks_free());
}

TEST(Engine, DrainLetsLiveRequestsEndAndRefusesNewOnes) {
  Fixture f;
  Collector got, late;
  f.engine->submit(make_request("a", {1, 2}, greedy(100)), got.sink());
  EXPECT_TRUE(f.engine->drain(30));
  EXPECT_TRUE(got.wait(0s));
  EXPECT_EQ(got.choices[0].tokens.size(), 100u);
  EXPECT_EQ(kind_of([&] { f.engine->submit(make_request("b", {1}, greedy(1)), late.sink()); }), ErrorKind::cancelled);
}

TEST(Engine, DrainAbortsWhatOutlastsItsTime) {
  Fixture f;
  f.runner->before_step = [](const StepBatch&) { std::this_thread::sleep_for(5ms); };
  Collector got;
  f.engine->submit(make_request("a", {1, 2}, greedy(100)), got.sink());
  EXPECT_FALSE(f.engine->drain(0.05));
  EXPECT_TRUE(got.wait(0s));
  EXPECT_EQ(got.choices[0].finish, FinishReason::abort);
}

TEST(Engine, DestructionAbortsWhatIsLive) {
  Collector running, waiting;
  {
    FakeLimits limits;
    limits.max_num_seqs = 1;
    Fixture f({}, limits);
    f.runner->before_step = [](const StepBatch&) { std::this_thread::sleep_for(1ms); };
    f.engine->submit(make_request("a", {1, 2}, greedy(100)), running.sink());
    f.engine->submit(make_request("b", {1, 2}, greedy(100)), waiting.sink());
    running.wait_pieces(2);
  }
  EXPECT_TRUE(running.wait(0s) && waiting.wait(0s));
  EXPECT_EQ(running.choices[0].finish, FinishReason::abort);
  EXPECT_EQ(waiting.choices[0].finish, FinishReason::abort);
}

TEST(Engine, ASlowSinkDoesNotSlowTheSteps) {
  Fixture f;
  Collector got;
  std::atomic<bool> release = false;
  OutputSink collect = got.sink();
  f.engine->submit(make_request("a", {1, 2}, greedy(50)), [&](RequestOutput&& piece) {
    while (!release.load()) std::this_thread::sleep_for(100us);
    collect(std::move(piece));
  });
  for (int i = 0; i < 20000 && f.engine->stats().steps < 50; ++i) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(f.engine->stats().steps, 50) << "all steps ran while the first piece was stuck";
  release.store(true);
  EXPECT_TRUE(got.wait());
}

TEST(Engine, AThrowingSinkHarmsNobodyElse) {
  Fixture f;
  Collector got;
  f.engine->submit(make_request("bad", {5}, greedy(5)), [](RequestOutput&&) { throw std::runtime_error("no"); });
  f.engine->submit(make_request("good", {6}, greedy(5)), got.sink());
  EXPECT_TRUE(got.wait());
  EXPECT_EQ(got.choices[0].tokens, testing::fake_greedy({6}, 5, 48));
}

TEST(Engine, ResettingTheCacheForgetsPrefixes) {
  Fixture f;
  Collector a, b, c;
  const std::vector<int> prompt(30, 9);
  f.engine->submit(make_request("a", prompt, greedy(1)), a.sink());
  ASSERT_TRUE(a.wait());
  f.engine->submit(make_request("b", prompt, greedy(1)), b.sink());
  ASSERT_TRUE(b.wait());
  EXPECT_EQ(b.choices[0].cached_tokens, 28);
  f.engine->reset_prefix_cache();
  f.engine->submit(make_request("c", prompt, greedy(1)), c.sink());
  ASSERT_TRUE(c.wait());
  EXPECT_EQ(c.choices[0].cached_tokens, 0);
}

TEST(Engine, SaltsKeepPrefixesApart) {
  Fixture f;
  Collector a, b;
  Request request = make_request("a", std::vector<int>(30, 9), greedy(1));
  f.engine->submit(request, a.sink());
  ASSERT_TRUE(a.wait());
  request.id = "b";
  request.cache_salt = "tenant";
  f.engine->submit(request, b.sink());
  ASSERT_TRUE(b.wait());
  EXPECT_EQ(b.choices[0].cached_tokens, 0);
}

TEST(Engine, StepsAndStatsCanBeFollowed) {
  Fixture f;
  std::int64_t after = 0;
  Collector got;
  f.engine->submit(make_request("a", {1, 2, 3}, greedy(10)), got.sink());
  ASSERT_TRUE(got.wait() && f.all_blocks_free());
  const std::vector<StepRecord> steps = f.engine->steps_since(after);
  ASSERT_EQ(steps.size(), 10u);
  EXPECT_EQ(after, 10);
  EXPECT_EQ(steps[0].prefill_tokens, 3);
  EXPECT_EQ(steps[1].decode_tokens, 1);
  EXPECT_TRUE(f.engine->steps_since(after).empty());
  const EngineStats stats = f.engine->stats();
  EXPECT_EQ(stats.prompt_tokens, 3);
  EXPECT_EQ(stats.generation_tokens, 10);
  EXPECT_EQ(stats.kv_blocks_total, 64);
}

struct CountingObserver : EngineObserver {
  void on_step(const StepRecord&) override { ++steps; }
  void on_first_token(double s) override { first += s >= 0; }
  void on_inter_token(double s) override { inter += s >= 0; }
  void on_finished(const Finished& finished) override {
    last = finished;
    ++requests;
  }
  int steps = 0, first = 0, inter = 0, requests = 0;
  Finished last{};
};

TEST(Engine, TheObserverHearsOfEachEventOnce) {
  CountingObserver observer;
  Fixture f;
  f.engine->set_observer(&observer);
  Collector got;
  SamplingParams params;
  params.n = 2;
  params.max_tokens = 5;
  f.engine->submit(make_request("a", {1, 2, 3}, params), got.sink());
  ASSERT_TRUE(got.wait());
  f.engine.reset();
  EXPECT_EQ(observer.steps, 5);
  EXPECT_EQ(observer.first, 1);
  EXPECT_EQ(observer.inter, 8);
  EXPECT_EQ(observer.requests, 1);
  EXPECT_EQ(observer.last.generation_tokens, 10);
  EXPECT_EQ(observer.last.reason, FinishReason::length);
  EXPECT_GE(observer.last.e2e_seconds, observer.last.inference_seconds);
}

TEST(Engine, SurvivesManyThreadsSubmittingAndCancelling) {
  FakeLimits limits;
  limits.num_kv_blocks = 40;
  Fixture f({}, limits);
  std::atomic<int> ended = 0, expected = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        const std::string id = fmt::format("{}-{}", t, i);
        SamplingParams params;
        params.max_tokens = 1 + (i * 7) % 60;
        params.n = 1 + i % 3;
        if (i % 4 == 0) params.stop = {"ab", "x"};
        f.engine->submit(make_request(id, std::vector<int>(1 + (i * 13) % 60, t + 1), params),
                         [&](RequestOutput&& piece) { ended += piece.last; });
        ++expected;
        if (i % 3 == 0) f.engine->cancel(id);
        if (i % 20 == 0) f.engine->reset_prefix_cache();
        f.engine->stats();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(f.engine->drain(60));
  EXPECT_EQ(ended, expected);
  EXPECT_TRUE(f.all_blocks_free());
}

}  // namespace
}  // namespace cairn
