#include "server/routes.h"

#include <fmt/format.h>

#include "server/api_error.h"

namespace cairn::server {
namespace {

constexpr Route kRoutes[] = {
    {"GET", "/", false, show_page, nullptr},
    {"GET", "/health", false, show_health, nullptr},
    {"GET", "/ping", false, ping, nullptr},
    {"POST", "/ping", false, ping, nullptr},
    {"GET", "/version", false, show_version, nullptr},
    {"GET", "/metrics", false, show_metrics, nullptr},
    {"GET", "/live", false, nullptr, show_live},
    {"GET", "/v1/models", true, list_models, nullptr},
    {"GET", "/v1/models/*", true, show_model, nullptr},
    {"POST", "/v1/chat/completions", true, nullptr, complete_chat},
    {"POST", "/v1/completions", true, nullptr, complete},
    {"POST", "/tokenize", true, tokenize, nullptr},
    {"POST", "/detokenize", true, detokenize, nullptr},
    {"POST", "/reset_prefix_cache", true, reset_prefix_cache, nullptr},
};

bool matches(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with("/*")) return pattern == path;
  pattern.remove_suffix(1);
  return path.size() > pattern.size() && path.starts_with(pattern);
}

}  // namespace

const Route& find_route(std::string_view method, std::string_view path) {
  bool path_known = false;
  for (const Route& route : kRoutes) {
    if (!matches(route.path, path)) continue;
    const bool head = method == "HEAD" && route.method == "GET" && route.answer != nullptr;
    if (route.method == method || head) return route;
    path_known = true;
  }
  if (path_known) throw ApiError(405, "Method Not Allowed");
  throw ApiError(404, "Not Found");
}

}  // namespace cairn::server
