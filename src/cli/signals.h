// SIGINT and SIGTERM as calls on an ordinary thread.
#pragma once

#include <functional>
#include <thread>

namespace cairn {

/// Blocks both signals for this thread and those it starts from now on, and calls `on_signal` (with the signal and
/// how many came before) on a thread of its own. Make it before any other thread. One at a time.
class SignalWatcher {
 public:
  using Handler = std::function<void(int signal, int count)>;
  explicit SignalWatcher(Handler on_signal);
  /// Both stay blocked: the process is about to end with a status of its own, which a late signal must not change.
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;

 private:
  std::jthread thread_;
};

}  // namespace cairn
