// A load generator: many streaming requests against an OpenAI-compatible server on this machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>  // Boost 1.74's awaitable.hpp, which sources include after this header, needs it and does not say so
#include <vector>

namespace cairn {

struct LoadConfig {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;
  std::string path = "/v1/completions";
  std::string api_key;
  double request_rate = 0;  // a second, as a Poisson process; 0: all at once
  int max_concurrency = 0;  // 0: no bound
  std::uint64_t seed = 0;
};

struct LoadSample {
  std::vector<double> pieces;  // seconds from sending the request to each piece with text
  double end_seconds = 0;
  std::int64_t prompt_tokens = 0, completion_tokens = 0;  // as the server's usage says
  std::string error;                                      // empty: answered whole
};

/// Splits "http://127.0.0.1:8000". Throws invalid_argument for what is no such URL, and for a host that is not this
/// machine's loopback.
LoadConfig parse_load_url(const std::string& url);

/// Sends each body (JSON that asks for a stream with usage) and returns what came, in the same order. `on_done` hears
/// how many have ended. When `stop` becomes true, no more are sent and open ones are cut.
std::vector<LoadSample> run_load(const LoadConfig& config, const std::vector<std::string>& bodies,
                                 const std::function<void(std::size_t)>& on_done, const std::atomic<bool>& stop);

/// GET of `path`; the body of a 200. Throws not_found when the server cannot be reached or answers otherwise.
std::string http_get(const LoadConfig& config, const std::string& path);

}  // namespace cairn
