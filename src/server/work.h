// Parsing, templating and tokenizing a request without holding up the other connections.
#pragma once

#include <functional>

#include "server/app.h"
#include "server/coroutine.h"
#include "server/exchange.h"

namespace cairn::server {

/// Runs `work` and returns when it is done: here at once for a small request, on the app's workers for one whose body
/// takes time. What it throws is thrown here; ApiError 503 when the server stops before it begins. `work` is a named
/// variable of the caller's.
boost::asio::awaitable<void> do_work(App& app, Exchange& exchange, const std::function<void()>& work);

}  // namespace cairn::server
