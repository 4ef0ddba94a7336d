// What all connections share: the configuration, and the model once it is there.
#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/metrics.h"
#include "server/server.h"

namespace cairn::server {

/// The loaded model with what is derived from it. Immutable.
struct Serving {
  ServingContext context;
  std::vector<std::string> model_names;  // at least one; answers carry the first
  std::int64_t created = 0;              // Unix time
  std::int64_t max_model_len = 0;
  std::unique_ptr<Metrics> metrics;  // thread-safe

  const std::string& model_name() const { return model_names.front(); }
  Engine& engine() const { return *context.engine; }
  const Tokenizer& tokenizer() const { return *context.tokenizer; }
};

/// Thread-safe.
class App {
 public:
  App(ServerConfig config, Log log);

  void set_serving(ServingContext context);
  /// Null until the model is loaded.
  std::shared_ptr<const Serving> serving() const;
  /// Throws ApiError 503 while starting or stopping.
  std::shared_ptr<const Serving> require_serving() const;

  /// A fresh id: prefix and 32 hexadecimal digits.
  std::string make_id(const std::string& prefix);

  /// While one lives, a request is being answered.
  class Busy {
   public:
    explicit Busy(App& app) : app_(app) { ++app_.busy_; }
    ~Busy() { --app_.busy_; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    App& app_;
  };
  int busy() const { return busy_; }

  const ServerConfig config;
  const Log log;
  std::atomic<bool> stopping = false;
  boost::asio::thread_pool workers{2};  // for what would hold up the network's threads

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Serving> serving_;
  std::atomic<int> busy_ = 0;
  std::atomic<std::uint64_t> next_id_ = 0;
  std::uint64_t id_seed_;
};

}  // namespace cairn::server
