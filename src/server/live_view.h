// GET /live: the engine's state as server-sent events, for the web page.
#pragma once

#include <deque>

#include "engine/engine.h"
#include "server/http_message.h"

namespace cairn {

/// Four times a second one JSON object: t (ms since the stream began), running, waiting, kv_blocks_total, kv_blocks_used,
/// kv_blocks_shared, prefix_cache_queries and prefix_cache_hits (tokens), preemptions, prompt_tokens_per_s and
/// generation_tokens_per_s (over the last second), and the steps since the object before: [{t, ms, prefill, decode,
/// seqs}…], t in ms since the engine started.
class LiveView final : public PendingReply {
 public:
  using Clock = std::chrono::steady_clock;

  explicit LiveView(const Engine& engine);

  void on_news(std::function<void()> wake) override { wake(); }
  Progress poll(HttpResponse& response) override;
  std::optional<std::chrono::milliseconds> interval() const override { return std::chrono::milliseconds(250); }

 private:
  struct Sample {
    Clock::time_point time;
    std::int64_t prompt_tokens, generation_tokens;
  };

  const Engine& engine_;
  const Clock::time_point begun_;
  std::int64_t newest_step_ = 0;
  std::deque<Sample> samples_;  // of the last second, oldest first
};

}  // namespace cairn
