#include "server/live_view.h"

#include <cmath>

#include "server/json_body.h"

namespace cairn {
namespace {

double milliseconds(LiveView::Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

LiveView::LiveView(const Engine& engine) : engine_(engine), begun_(Clock::now()) { engine_.steps_since(newest_step_); }

PendingReply::Progress LiveView::poll(HttpResponse& response) {
  const Clock::time_point now = Clock::now();
  const EngineStats stats = engine_.stats();
  samples_.push_back({now, stats.prompt_tokens, stats.generation_tokens});
  while (samples_.size() > 2 && now - samples_[1].time >= std::chrono::seconds(1)) samples_.pop_front();
  const Sample& oldest = samples_.front();
  const double seconds = milliseconds(now - oldest.time) / 1000;
  const auto rate = [seconds](std::int64_t count) { return seconds > 0 ? rounded(double(count) / seconds) : 0.0; };
  Json steps = Json::array();
  for (const StepRecord& step : engine_.steps_since(newest_step_)) {
    steps.push_back({{"t", rounded(step.time_ms)},
                     {"ms", rounded(step.duration_ms)},
                     {"prefill", step.prefill_tokens},
                     {"decode", step.decode_tokens},
                     {"seqs", step.seqs}});
  }
  const Json event = {{"t", rounded(milliseconds(now - begun_))},
                      {"running", stats.running},
                      {"waiting", stats.waiting},
                      {"kv_blocks_total", stats.kv_blocks_total},
                      {"kv_blocks_used", stats.kv_blocks_used},
                      {"kv_blocks_shared", stats.kv_blocks_shared},
                      {"prefix_cache_queries", stats.prefix_cache_queries},
                      {"prefix_cache_hits", stats.prefix_cache_hits},
                      {"prompt_tokens_per_s", rate(stats.prompt_tokens - oldest.prompt_tokens)},
                      {"generation_tokens_per_s", rate(stats.generation_tokens - oldest.generation_tokens)},
                      {"preemptions", stats.preemptions},
                      {"steps", std::move(steps)}};
  append_event(response.body, to_text(event));
  return Progress::more;
}

}  // namespace cairn
