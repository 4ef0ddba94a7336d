#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <vector>

namespace cairn::server {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;
using Labels = std::map<std::string, std::string>;

const Buckets kFirstToken = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,  0.25,  0.5,   0.75,
                             1.0,   2.5,   5.0,  7.5,  10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0};
const Buckets kInterToken = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,  0.3,  0.4, 0.5,
                             0.75, 1.0,   2.5,  5.0,   7.5, 10.0, 20.0, 40.0, 80.0};
const Buckets kLatency = {0.3,  0.5,  0.8,  1.0,  1.5,   2.0,   2.5,   5.0,   10.0,   15.0,  20.0,
                          30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0};
const Buckets kStepTokens = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
const Buckets kChoices = {1, 2, 5, 10, 20};
constexpr std::array kReasons = {FinishReason::stop, FinishReason::length, FinishReason::abort, FinishReason::error};

}  // namespace

std::vector<double> one_two_five_buckets(std::int64_t largest) {
  std::vector<double> buckets;
  for (double decade = 1;; decade *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      if (step * decade > static_cast<double>(largest)) return buckets;
      buckets.push_back(step * decade);
    }
  }
}

struct Metrics::Impl {
  Impl(const std::string& model_name, const Engine& served)
      : engine(served), labels{{"model_name", model_name}, {"engine", "0"}} {
    const ModelRunner& runner = engine.runner();
    Labels cache = {{"engine", "0"},
                    {"block_size", std::to_string(runner.block_size())},
                    {"num_gpu_blocks", std::to_string(runner.num_kv_blocks())},
                    {"enable_prefix_caching", engine.config().enable_prefix_caching ? "True" : "False"}};
    prometheus::BuildGauge()
        .Name("vllm:cache_config_info")
        .Help("Information of the LLMEngine CacheConfig.")
        .Register(registry)
        .Add(cache)
        .Set(1);
    auto& successes = prometheus::BuildCounter()
                          .Name("vllm:request_success_total")
                          .Help("Count of successfully processed requests.")
                          .Labels(labels)
                          .Register(registry);
    for (const FinishReason reason : kReasons)
      success[reason] = &successes.Add({{"finished_reason", to_string(reason)}});
  }

  prometheus::Gauge& gauge(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Labels(labels).Register(registry).Add({});
  }
  prometheus::Counter& counter(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry).Add({});
  }
  prometheus::Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels).Register(registry).Add({}, buckets);
  }

  const Engine& engine;
  const Labels labels;
  prometheus::Registry registry;

  prometheus::Gauge& running = gauge("vllm:num_requests_running", "Number of requests in model execution batches.");
  prometheus::Gauge& waiting = gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.");
  prometheus::Gauge& cache_usage = gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.");
  prometheus::Counter& cache_queries =
      counter("vllm:prefix_cache_queries_total", "Prefix cache queries, in terms of number of queried tokens.");
  prometheus::Counter& cache_hits =
      counter("vllm:prefix_cache_hits_total", "Prefix cache hits, in terms of number of cached tokens.");
  prometheus::Counter& preemptions =
      counter("vllm:num_preemptions_total", "Cumulative number of preemption from the engine.");
  prometheus::Counter& prompt_tokens = counter("vllm:prompt_tokens_total", "Number of prefill tokens processed.");
  prometheus::Counter& generation_tokens =
      counter("vllm:generation_tokens_total", "Number of generation tokens processed.");
  std::map<FinishReason, prometheus::Counter*> success;

  const Buckets lengths = one_two_five_buckets(engine.runner().max_model_len());
  prometheus::Histogram& request_prompt =
      histogram("vllm:request_prompt_tokens", "Number of prefill tokens processed.", lengths);
  prometheus::Histogram& request_generation =
      histogram("vllm:request_generation_tokens", "Number of generation tokens processed.", lengths);
  prometheus::Histogram& step_tokens =
      histogram("vllm:iteration_tokens_total", "Histogram of number of tokens per engine_step.", kStepTokens);
  prometheus::Histogram& choices =
      histogram("vllm:request_params_n", "Histogram of the n request parameter.", kChoices);
  prometheus::Histogram& first_token =
      histogram("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", kFirstToken);
  prometheus::Histogram& inter_token =
      histogram("vllm:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", kInterToken);
  prometheus::Histogram& e2e =
      histogram("vllm:e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", kLatency);
  prometheus::Histogram& queue =
      histogram("vllm:request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", kLatency);
  prometheus::Histogram& inference = histogram("vllm:request_inference_time_seconds",
                                               "Histogram of time spent in RUNNING phase for request.", kLatency);
  prometheus::Histogram& prefill =
      histogram("vllm:request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", kLatency);
  prometheus::Histogram& decode =
      histogram("vllm:request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", kLatency);

  std::mutex scrape;  // a counter is raised to the engine's own count, by one scrape at a time
};

Metrics::Metrics(const std::string& model_name, const Engine& engine)
    : impl_(std::make_unique<Impl>(model_name, engine)) {}
Metrics::~Metrics() = default;

std::string Metrics::text() {
  std::lock_guard lock(impl_->scrape);
  const EngineStats stats = impl_->engine.stats();
  impl_->running.Set(stats.running);
  impl_->waiting.Set(stats.waiting);
  impl_->cache_usage.Set(static_cast<double>(stats.kv_blocks_used) /
                         static_cast<double>(std::max<std::int64_t>(stats.kv_blocks_total, 1)));
  const auto raise = [](prometheus::Counter& counter, std::int64_t count) {
    const double more = static_cast<double>(count) - counter.Value();
    if (more > 0) counter.Increment(more);
  };
  raise(impl_->cache_queries, stats.prefix_cache_queries);
  raise(impl_->cache_hits, stats.prefix_cache_hits);
  raise(impl_->preemptions, stats.preemptions);
  raise(impl_->prompt_tokens, stats.prompt_tokens);
  raise(impl_->generation_tokens, stats.generation_tokens);
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

void Metrics::on_step(const StepRecord& step) { impl_->step_tokens.Observe(step.prefill_tokens + step.decode_tokens); }
void Metrics::on_first_token(double seconds) { impl_->first_token.Observe(seconds); }
void Metrics::on_inter_token(double seconds) { impl_->inter_token.Observe(seconds); }

void Metrics::on_finished(const Finished& finished) {
  impl_->success.at(finished.reason)->Increment();
  impl_->request_prompt.Observe(finished.prompt_tokens);
  impl_->request_generation.Observe(finished.generation_tokens);
  impl_->choices.Observe(finished.n);
  impl_->e2e.Observe(finished.e2e_seconds);
  impl_->queue.Observe(finished.queue_seconds);
  impl_->inference.Observe(finished.inference_seconds);
  impl_->prefill.Observe(finished.prefill_seconds);
  impl_->decode.Observe(finished.decode_seconds);
}

}  // namespace cairn::server
