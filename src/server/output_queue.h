// Carries a request's pieces from the engine's output thread to the connection's thread.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "engine/outputs.h"

namespace cairn {

/// Thread-safe. push() is for the engine, the rest for the connection.
class OutputQueue {
 public:
  struct Item {
    RequestOutput piece;
    int prompt;  // which of the request's prompts it belongs to
  };

  /// Bytes that may wait before the queue counts as overflowed: a client that reads too slowly must not fill memory.
  explicit OutputQueue(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void push(RequestOutput&& piece, int prompt);
  /// `wake` is called after a push to an empty queue, and at once when something is there.
  void on_news(std::function<void()> wake);
  /// Moves out all items. False once the queue has overflowed.
  bool take(std::vector<Item>& items);
  /// What is pushed from now on is dropped, and `wake` is not called any more once this returns.
  void close();

 private:
  const std::size_t max_bytes_;
  std::mutex mutex_;
  std::vector<Item> items_;
  std::size_t bytes_ = 0;
  bool overflowed_ = false, closed_ = false;
  std::function<void()> wake_;
};

}  // namespace cairn
