#include "server/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>

namespace cairn {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

// 1, 2, 5, 10, 20, 50 … up to `most`.
std::vector<double> one_two_five(std::int64_t most) {
  std::vector<double> bounds;
  for (double scale = 1;; scale *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      if (step * scale > static_cast<double>(most)) return bounds;
      bounds.push_back(step * scale);
    }
  }
}

const std::vector<double> kRequestSeconds = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,  15,  20,
                                             30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
const std::vector<double> kTokenSeconds = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                           0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
const std::vector<double> kFirstTokenSeconds = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                                1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
const std::vector<double> kIterationTokens = {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};

}  // namespace

Metrics::Metrics(const std::string& model_name, std::int64_t max_model_len) : model_name_(model_name) {
  const std::vector<double> lengths = one_two_five(std::max<std::int64_t>(max_model_len, 1));
  prompt_tokens_ = &add("vllm:request_prompt_tokens", "Number of prefill tokens processed.", lengths);
  generation_tokens_ = &add("vllm:request_generation_tokens", "Number of generation tokens processed.", lengths);
  iteration_tokens_ = &add("vllm:iteration_tokens_total", "Number of tokens per engine step.", kIterationTokens);
  params_n_ = &add("vllm:request_params_n", "The n request parameter.", {1, 2, 5, 10, 20});
  params_max_tokens_ = &add("vllm:request_params_max_tokens", "The max_tokens request parameter.", lengths);
  first_token_ = &add("vllm:time_to_first_token_seconds", "Time to first token in seconds.", kFirstTokenSeconds);
  inter_token_ = &add("vllm:inter_token_latency_seconds", "Inter-token latency in seconds.", kTokenSeconds);
  per_output_token_ = &add("vllm:request_time_per_output_token_seconds",
                           "Time per output token of each request in seconds.", kTokenSeconds);
  e2e_ = &add("vllm:e2e_request_latency_seconds", "End to end request latency in seconds.", kRequestSeconds);
  queue_ = &add("vllm:request_queue_time_seconds", "Time spent waiting in seconds.", kRequestSeconds);
  inference_ = &add("vllm:request_inference_time_seconds", "Time spent running in seconds.", kRequestSeconds);
  prefill_ = &add("vllm:request_prefill_time_seconds", "Time spent in prefill in seconds.", kRequestSeconds);
  decode_ = &add("vllm:request_decode_time_seconds", "Time spent in decode in seconds.", kRequestSeconds);
}

prometheus::Histogram& Metrics::add(const char* name, const char* help, std::vector<double> bounds) {
  histograms_.push_back({name, help, std::make_unique<prometheus::Histogram>(std::move(bounds))});
  return *histograms_.back().histogram;
}

void Metrics::on_step(const StepRecord& step) { iteration_tokens_->Observe(step.prefill_tokens + step.decode_tokens); }
void Metrics::on_first_token(double seconds) { first_token_->Observe(seconds); }
void Metrics::on_inter_token(double seconds) { inter_token_->Observe(seconds); }
void Metrics::on_admitted(int max_tokens) { params_max_tokens_->Observe(max_tokens); }

void Metrics::on_finished(const Finished& finished) {
  ++finished_[static_cast<std::size_t>(finished.reason)];
  prompt_tokens_->Observe(finished.prompt_tokens);
  generation_tokens_->Observe(finished.generation_tokens);
  params_n_->Observe(finished.n);
  e2e_->Observe(finished.e2e_seconds);
  queue_->Observe(finished.queue_seconds);
  inference_->Observe(finished.inference_seconds);
  prefill_->Observe(finished.prefill_seconds);
  decode_->Observe(finished.decode_seconds);
  const int per_choice = finished.generation_tokens / std::max(finished.n, 1);
  if (per_choice > 1) per_output_token_->Observe(finished.decode_seconds / (per_choice - 1));
}

ClientMetric Metrics::labelled() const {
  ClientMetric metric;
  metric.label = {{"engine", "0"}, {"model_name", model_name_}};
  return metric;
}

MetricFamily Metrics::family(const char* name, const char* help, MetricType type, double value) const {
  ClientMetric metric = labelled();
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  return {name, help, type, {metric}};
}

MetricFamily Metrics::successes() const {
  MetricFamily family{"vllm:request_success_total", "Count of successfully processed requests.", MetricType::Counter, {}};
  for (std::size_t reason = 0; reason < finished_.size(); ++reason) {
    ClientMetric metric = labelled();
    metric.label.push_back({"finished_reason", to_string(static_cast<FinishReason>(reason))});
    metric.counter.value = static_cast<double>(finished_[reason].load());
    family.metric.push_back(std::move(metric));
  }
  return family;
}

MetricFamily Metrics::cache_config(const Engine& engine) const {
  ClientMetric metric;
  metric.label = {{"block_size", std::to_string(engine.runner().block_size())},
                  {"enable_prefix_caching", engine.config().enable_prefix_caching ? "True" : "False"},
                  {"engine", "0"},
                  {"num_gpu_blocks", std::to_string(engine.runner().num_kv_blocks())}};
  metric.gauge.value = 1;
  return {"vllm:cache_config_info", "Information of the LLMEngine CacheConfig", MetricType::Gauge, {metric}};
}

std::string Metrics::text(const EngineStats& stats, const Engine& engine) const {
  const auto gauge = MetricType::Gauge, counter = MetricType::Counter;
  const auto real = [](std::int64_t value) { return static_cast<double>(value); };
  const double used = stats.kv_blocks_total > 0 ? real(stats.kv_blocks_used) / real(stats.kv_blocks_total) : 0;
  std::vector<MetricFamily> families = {
      family("vllm:num_requests_running", "Number of requests in model execution batches.", gauge, stats.running),
      family("vllm:num_requests_waiting", "Number of requests waiting to be processed.", gauge, stats.waiting),
      family("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", gauge, used),
      family("vllm:prefix_cache_queries_total", "Prefix cache queries, in terms of number of queried tokens.", counter,
             real(stats.prefix_cache_queries)),
      family("vllm:prefix_cache_hits_total", "Prefix cache hits, in terms of number of cached tokens.", counter,
             real(stats.prefix_cache_hits)),
      family("vllm:num_preemptions_total", "Cumulative number of preemptions from the engine.", counter,
             real(stats.preemptions)),
      family("vllm:prompt_tokens_total", "Number of prefill tokens processed.", counter, real(stats.prompt_tokens)),
      family("vllm:generation_tokens_total", "Number of generation tokens processed.", counter,
             real(stats.generation_tokens)),
      successes(),
      cache_config(engine),
  };
  for (const NamedHistogram& entry : histograms_) {
    ClientMetric metric = entry.histogram->Collect();
    metric.label = labelled().label;
    families.push_back({entry.name, entry.help, MetricType::Histogram, {metric}});
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace cairn
