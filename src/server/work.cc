#include "server/work.h"

#include <boost/asio/post.hpp>
#include <exception>

#include "server/signal.h"

namespace cairn::server {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kSmallBody = 16 << 10;  // some milliseconds at most

}  // namespace

asio::awaitable<void> do_work(App& app, Exchange& exchange, const std::function<void()>& work) {
  if (exchange.request().body.size() <= kSmallBody && !app.config.trust_request_chat_template) {
    work();
    co_return;
  }
  const asio::any_io_executor home = exchange.executor();
  Signal signal(home);
  bool done = false;
  std::exception_ptr error;
  // The worker's own copy of `home`: this frame may be gone before its post() returns.
  asio::post(app.workers, [&, home] {
    try {
      app.require_serving();
      work();
    } catch (...) {
      error = std::current_exception();
    }
    asio::post(home, [&] {
      done = true;
      signal.notify();
    });
  });
  while (!done) co_await signal.wait();
  if (error) std::rethrow_exception(error);
}

}  // namespace cairn::server
