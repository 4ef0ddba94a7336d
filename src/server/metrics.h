// Measurements for Prometheus, under vLLM's names (vllm/v1/metrics/loggers.py) so that its dashboards work.
#pragma once

#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace cairn {

/// Thread-safe. Histograms are filled as the engine reports; gauges and counters are read from it on each scrape.
class Metrics final : public EngineObserver {
 public:
  /// `model_name` becomes a label. Sizes in tokens bound the buckets of the token histograms.
  Metrics(const std::string& model_name, std::int64_t max_model_len);

  void on_step(const StepRecord& step) override;
  void on_first_token(double seconds) override;
  void on_inter_token(double seconds) override;
  void on_finished(const Finished& finished) override;
  /// max_tokens of an admitted request, when it gave one.
  void on_admitted(int max_tokens);

  /// The text exposition format, version 0.0.4.
  std::string text(const EngineStats& stats, const Engine& engine) const;

 private:
  struct NamedHistogram {
    std::string name, help;
    std::unique_ptr<prometheus::Histogram> histogram;
  };
  prometheus::Histogram& add(const char* name, const char* help, std::vector<double> bounds);
  prometheus::ClientMetric labelled() const;
  prometheus::MetricFamily family(const char* name, const char* help, prometheus::MetricType type, double value) const;
  prometheus::MetricFamily cache_config(const Engine& engine) const;
  prometheus::MetricFamily successes() const;

  std::string model_name_;
  std::vector<NamedHistogram> histograms_;
  prometheus::Histogram *prompt_tokens_, *generation_tokens_, *iteration_tokens_, *params_n_, *params_max_tokens_,
      *first_token_, *inter_token_, *per_output_token_, *e2e_, *queue_, *inference_, *prefill_, *decode_;
  std::array<std::atomic<std::int64_t>, 4> finished_{};  // by FinishReason
};

}  // namespace cairn
