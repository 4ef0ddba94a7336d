#include "server/app.h"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "base/error.h"
#include "server/api_error.h"

namespace cairn::server {
namespace {

// SplitMix64's finalizer: distinct inputs give distinct, unguessable-looking outputs.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

std::uint64_t draw_seed() {
  std::random_device entropy;
  return (static_cast<std::uint64_t>(entropy()) << 32) | entropy();
}

}  // namespace

App::App(ServerConfig server_config, Log server_log)
    : config(std::move(server_config)), log(std::move(server_log)), id_seed_(draw_seed()) {}

void App::set_serving(ServingContext context) {
  if (context.engine == nullptr || !context.tokenizer) fail_invalid("a server needs an engine and a tokenizer");
  auto serving = std::make_shared<Serving>();
  serving->context = std::move(context);
  serving->model_names = config.served_model_names;
  if (serving->model_names.empty()) serving->model_names.push_back(serving->context.model_path);
  serving->created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  serving->max_model_len = serving->engine().runner().max_model_len();
  serving->metrics = std::make_unique<Metrics>(serving->model_name(), serving->engine());
  serving->engine().set_observer(serving->metrics.get());
  std::lock_guard lock(mutex_);
  serving_ = std::move(serving);
}

std::shared_ptr<const Serving> App::serving() const {
  std::lock_guard lock(mutex_);
  return serving_;
}

std::shared_ptr<const Serving> App::require_serving() const {
  if (stopping) throw ApiError(503, "the server is shutting down");
  std::shared_ptr<const Serving> current = serving();
  if (!current) throw ApiError(503, "the model is still being loaded");
  return current;
}

std::string App::make_id(const std::string& prefix) {
  const std::uint64_t count = next_id_++;
  return fmt::format("{}{:016x}{:016x}", prefix, mix(id_seed_ + count * 0x9E3779B97F4A7C15u), mix(~id_seed_ ^ count));
}

}  // namespace cairn::server
