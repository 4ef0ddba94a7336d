// One request and the means to answer it, as a route's coroutine sees them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "server/coroutine.h"
#include "server/http_types.h"
#include "server/signal.h"

namespace cairn::server {

/// Used on the connection's strand only. A route either replies once, or begins a stream, sends pieces and ends it.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const HttpRequest& request() const = 0;
  virtual boost::asio::any_io_executor executor() = 0;

  /// Notices from now on when the client goes away.
  virtual void watch_client() = 0;
  /// The client is gone or the server closes the connection: nothing that is sent reaches anybody.
  virtual bool gone() const = 0;
  /// Notified when gone() becomes true; also for the route's own use.
  virtual const std::shared_ptr<Signal>& signal() = 0;

  virtual boost::asio::awaitable<void> reply(Reply reply) = 0;
  virtual boost::asio::awaitable<void> begin_stream(std::string content_type) = 0;
  /// False when the client is gone or takes nothing for too long.
  virtual boost::asio::awaitable<bool> send(std::string piece) = 0;
  virtual boost::asio::awaitable<void> end_stream() = 0;
};

}  // namespace cairn::server
