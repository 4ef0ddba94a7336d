// Prometheus metrics under vLLM's names, so that dashboards made for it work.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"

namespace cairn::server {

/// Counts what an engine does. Thread-safe. The engine must outlive calls of text().
class Metrics final : public EngineObserver {
 public:
  /// `model_name` becomes a label of every series.
  Metrics(const std::string& model_name, const Engine& engine);
  ~Metrics() override;

  /// The exposition in Prometheus' text format, version 0.0.4.
  std::string text();

  void on_step(const StepRecord& step) override;
  void on_first_token(double seconds) override;
  void on_inter_token(double seconds) override;
  void on_finished(const Finished& finished) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// 1, 2, 5, 10, 20, 50 … up to `largest`.
std::vector<double> one_two_five_buckets(std::int64_t largest);

}  // namespace cairn::server
