// A condition variable for coroutines on one strand.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "server/coroutine.h"

namespace cairn::server {

/// Waiters check their condition, wait, and check again; all on the executor's strand, so no notice is lost.
class Signal {
 public:
  explicit Signal(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  boost::asio::awaitable<void> wait() {
    timer_.expires_at(std::chrono::steady_clock::time_point::max());
    boost::system::error_code ignored;
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
  void notify() { timer_.cancel(); }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace cairn::server
