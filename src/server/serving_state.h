// What handlers share: configuration, the loaded model, metrics.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "server/http_message.h"
#include "server/metrics.h"
#include "server/server.h"

namespace cairn {

/// The model as the handlers see it; immutable.
struct ServedModel {
  ServingContext context;
  std::vector<std::string> names;  // the first is written into answers
  std::int64_t created = 0;        // seconds since 1970
  std::shared_ptr<Metrics> metrics;

  const std::string& name() const { return names.front(); }
  std::int64_t max_model_len() const { return context.engine->runner().max_model_len(); }
};

/// Thread-safe.
class ServingState {
 public:
  ServingState(ServerConfig config, Log log) : config_(std::move(config)), log_(std::move(log)) {}

  const ServerConfig& config() const { return config_; }
  const Log& log() const { return log_; }

  void set_ready(ServingContext context);
  void set_stopping() { stopping_ = true; }
  bool stopping() const { return stopping_; }
  /// The model, or null while it is loading.
  std::shared_ptr<const ServedModel> model() const;
  /// The model; throws HttpError 503 while it is loading or the server is stopping.
  std::shared_ptr<const ServedModel> serving_model() const;
  /// `prefix` and 32 random hexadecimal digits.
  std::string new_id(const char* prefix);

 private:
  const ServerConfig config_;
  const Log log_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::shared_ptr<const ServedModel> model_;
};

}  // namespace cairn
