// The routes: what each path answers.
#pragma once

#include <optional>
#include <string_view>

#include "server/app.h"
#include "server/coroutine.h"
#include "server/exchange.h"
#include "server/http_types.h"

namespace cairn::server {

/// Answers at once. Errors are thrown.
using AnswerFunction = Reply (*)(App& app, const HttpRequest& request);
/// Answers over time. Errors before the reply begins are thrown.
using ConverseFunction = boost::asio::awaitable<void> (*)(App& app, Exchange& exchange);

struct Route {
  std::string_view method;
  std::string_view path;  // one that ends in "/*" takes everything below
  bool needs_key = false;
  AnswerFunction answer = nullptr;  // one of the two is set
  ConverseFunction converse = nullptr;
};

/// The route of a request. Throws ApiError 404 for an unknown path, 405 for a wrong method. HEAD counts as GET.
const Route& find_route(std::string_view method, std::string_view path);

// model_routes.cc
Reply list_models(App& app, const HttpRequest& request);
Reply show_model(App& app, const HttpRequest& request);
/// Throws ApiError 404 when a request names a model that is not served; an empty name is any.
void check_model(const Serving& serving, const std::string& model);

// status_routes.cc
Reply show_health(App& app, const HttpRequest& request);
Reply ping(App& app, const HttpRequest& request);
Reply show_version(App& app, const HttpRequest& request);
Reply show_metrics(App& app, const HttpRequest& request);
Reply show_page(App& app, const HttpRequest& request);
Reply reset_prefix_cache(App& app, const HttpRequest& request);

// tokenize_routes.cc
Reply tokenize(App& app, const HttpRequest& request);
Reply detokenize(App& app, const HttpRequest& request);

// live_route.cc
boost::asio::awaitable<void> show_live(App& app, Exchange& exchange);

// generation_routes.cc
boost::asio::awaitable<void> complete_chat(App& app, Exchange& exchange);
boost::asio::awaitable<void> complete(App& app, Exchange& exchange);

}  // namespace cairn::server
