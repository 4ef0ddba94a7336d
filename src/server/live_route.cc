// GET /live: the engine's pulse for the page, four times a second.
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include "server/bounded_json.h"
#include "server/coroutine.h"
#include "server/routes.h"

namespace cairn::server {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPeriod(250);

// Turns an engine's counters into what happened since the last look.
class Pulse {
 public:
  explicit Pulse(const Engine& engine) : engine_(engine), before_(engine.stats()), looked_(Clock::now()) {}

  Json next() {
    const EngineStats now = engine_.stats();
    const Clock::time_point time = Clock::now();
    const double seconds = std::max(std::chrono::duration<double>(time - looked_).count(), 1e-3);
    const auto rate = [seconds](std::int64_t after, std::int64_t before) {
      return static_cast<double>(after - before) / seconds;
    };
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    Json pulse = {{"t", std::chrono::duration_cast<std::chrono::milliseconds>(wall).count()},
                  {"running", now.running},
                  {"waiting", now.waiting},
                  {"kv_blocks_total", now.kv_blocks_total},
                  {"kv_blocks_used", now.kv_blocks_used},
                  {"kv_blocks_shared", now.kv_blocks_shared},
                  {"prefix_cache_queries", now.prefix_cache_queries},
                  {"prefix_cache_hits", now.prefix_cache_hits},
                  {"prompt_tokens_per_s", rate(now.prompt_tokens, before_.prompt_tokens)},
                  {"generation_tokens_per_s", rate(now.generation_tokens, before_.generation_tokens)},
                  {"preemptions", now.preemptions},
                  {"steps", steps()}};
    before_ = now;
    looked_ = time;
    return pulse;
  }

 private:
  Json steps() {
    Json list = Json::array();
    for (const StepRecord& step : engine_.steps_since(newest_step_)) {
      list.push_back({{"t", step.time_ms},
                      {"ms", step.duration_ms},
                      {"prefill", step.prefill_tokens},
                      {"decode", step.decode_tokens},
                      {"seqs", step.seqs}});
    }
    return list;
  }

  const Engine& engine_;
  EngineStats before_;
  Clock::time_point looked_;
  std::int64_t newest_step_ = 0;
};

}  // namespace

asio::awaitable<void> show_live(App& app, Exchange& exchange) {
  const std::shared_ptr<const Serving> serving = app.require_serving();
  Pulse pulse(serving->engine());
  exchange.watch_client();
  std::string content_type = "text/event-stream; charset=utf-8";
  co_await exchange.begin_stream(std::move(content_type));
  asio::steady_timer timer(exchange.executor());
  while (!exchange.gone() && !app.stopping) {
    std::string event = "data: " + to_text(pulse.next()) + "\n\n";
    const bool sent = co_await exchange.send(std::move(event));
    if (!sent) co_return;
    timer.expires_after(kPeriod);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (!exchange.gone()) co_await exchange.end_stream();
}

}  // namespace cairn::server
