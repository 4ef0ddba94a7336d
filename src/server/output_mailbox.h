// The way of a request's pieces from the engine's output thread to the connection's strand.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/outputs.h"
#include "server/signal.h"

namespace cairn::server {

struct Piece {
  std::size_t prompt = 0;  // index of the prompt in the HTTP request
  RequestOutput output;
};

/// Thread-safe. Holds a bounded number of bytes: a reader who falls further behind is told that it overflowed, and
/// pieces are dropped from then on.
class OutputMailbox {
 public:
  OutputMailbox(boost::asio::any_io_executor executor, std::shared_ptr<Signal> signal, std::size_t max_bytes)
      : executor_(std::move(executor)), signal_(std::move(signal)), max_bytes_(max_bytes) {}

  /// Never blocks. Notifies the signal on its strand, once for all pieces that are waiting.
  void push(Piece piece);
  std::vector<Piece> take();
  bool overflowed() const;
  /// No pieces are wanted any more, and the executor may go.
  void close();

 private:
  mutable std::mutex mutex_;
  boost::asio::any_io_executor executor_;
  std::shared_ptr<Signal> signal_;
  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::vector<Piece> pieces_;
  bool overflowed_ = false, closed_ = false;
};

}  // namespace cairn::server
