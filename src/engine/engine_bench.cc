// Times the engine's own work, without a model: choosing tokens from logits, and a step's bookkeeping.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <thread>

#include "engine/engine_core.h"

namespace cairn {
namespace {

constexpr int kVocab = 151936, kSequences = 32, kThreads = 2;

// Hands out zero logits without looking at the batch, so that what remains is the engine's.
class IdleRunner final : public ModelRunner {
 public:
  explicit IdleRunner(int vocab) : vocab_(vocab) {}
  int vocab_size() const override { return vocab_; }
  std::int64_t max_model_len() const override { return 4096; }
  std::int64_t block_size() const override { return 16; }
  std::int64_t num_kv_blocks() const override { return 32768; }
  std::int64_t max_num_batched_tokens() const override { return 65536; }
  std::int64_t max_num_seqs() const override { return 64; }
  std::span<float> execute(const StepBatch& batch) override {
    logits_.resize(batch.logits_rows.size() * vocab_);
    return logits_;
  }
  void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body) override {
    std::jthread other([&] {
      for (std::int64_t i = 1; i < n; i += kThreads) body(i);
    });
    for (std::int64_t i = 0; i < n; i += kThreads) body(i);
  }

 private:
  std::size_t vocab_;
  std::vector<float> logits_;
};

std::shared_ptr<const RequestInfo> request(std::uint64_t key, SamplingParams params, int vocab, int prompt) {
  auto info = std::make_shared<RequestInfo>();
  info->key = key;
  params.validate(vocab);
  info->params = params;
  info->max_output_tokens = 4000 - prompt;
  for (int i = 0; i < prompt; ++i) info->prompt.push_back((i * 7 + static_cast<int>(key)) % vocab);
  return info;
}

double median_ms(int rounds, const std::function<void()>& body) {
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    times.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::nth_element(times, times.begin() + rounds / 2);
  return times[rounds / 2];
}

// Logits with the given spread: 3 is like a real model's, where few tokens hold most of the mass; 0.5 is nearly flat.
void time_sampling(const char* what, const SamplingParams& params, float spread) {
  IdleRunner runner(kVocab);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> original(std::size_t{kSequences} * kVocab);
  for (float& x : original) x = normal(random);
  std::vector<std::unique_ptr<Sequence>> sequences;
  SchedulerOutput plan;
  for (int i = 0; i < kSequences; ++i) {
    sequences.push_back(std::make_unique<Sequence>(request(i, params, kVocab, 500), 0));
    plan.scheduled.push_back({sequences.back().get(), 0, 500, 0, 0, true});
  }
  Sampler sampler;
  std::vector<float> logits = original;
  sampler.sample(plan, logits, runner);
  const double ms = median_ms(11, [&] { sampler.sample(plan, logits, runner); });
  fmt::print("sample {:<34} spread {:<4} {:7.3f} ms for {} rows of {}\n", what, spread, ms, kSequences, kVocab);
}

void time_steps() {
  IdleRunner runner(64);
  EngineConfig config;
  EngineCore core(config, runner);
  SamplingParams params;
  params.temperature = 0;
  params.max_tokens.reset();
  for (int i = 0; i < kSequences; ++i) core.add(request(i + 1, params, 64, 1000));
  core.step();
  const double ms = median_ms(1001, [&] { core.step(); });
  fmt::print("step of {} decoding sequences: {:.1f} us, of which a thread start for sampling\n", kSequences, ms * 1000);
  KvCacheManager kv(32768, 16, true);
  SchedulerConfig scheduling;
  scheduling.max_num_batched_tokens = 65536;
  Scheduler scheduler(scheduling, kv);
  BatchBuilder builder(16);
  std::vector<std::unique_ptr<Sequence>> sequences;
  for (int i = 0; i < kSequences; ++i) {
    sequences.push_back(std::make_unique<Sequence>(request(i + 1, params, 64, 1000), 0));
    scheduler.add(*sequences.back());
  }
  const double plan_ms = median_ms(1001, [&] {
    builder.build(scheduler.schedule());
    for (const auto& sequence : sequences) sequence->output.push_back(1);
  });
  fmt::print("schedule and build the batch for {} decoding sequences: {:.1f} us\n", kSequences, plan_ms * 1000);
}

void run() {
  SamplingParams greedy, plain, top_k, top_p, min_p, all;
  greedy.temperature = 0;
  top_k.top_k = 50;
  top_p.top_p = 0.95;
  min_p.min_p = 0.05;
  all.temperature = 0.7, all.top_k = 20, all.top_p = 0.8, all.repetition_penalty = 1.1, all.logprobs = 5;
  for (const float spread : {3.0f, 0.5f}) {
    time_sampling("greedy", greedy, spread);
    time_sampling("temperature 1", plain, spread);
    time_sampling("top_k 50", top_k, spread);
    time_sampling("top_p 0.95", top_p, spread);
    time_sampling("min_p 0.05", min_p, spread);
    time_sampling("top_k, top_p, penalty, logprobs 5", all, spread);
  }
  time_steps();
}

}  // namespace
}  // namespace cairn

int main() { cairn::run(); }
