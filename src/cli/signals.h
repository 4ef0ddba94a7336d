// SIGINT and SIGTERM as calls on an ordinary thread.
#pragma once

#include <functional>
#include <memory>

namespace cairn {

/// Blocks both signals for this thread and those it starts from now on, and calls `on_signal` on a thread of its own,
/// which lives as long as the process. Make it before any other thread, and one a process.
class SignalWatcher {
 public:
  /// True: the signal asks for the process's end, and the next one brings it at once, with the status 128 + signal.
  /// Must not block, or that next one would wait for it.
  using Handler = std::function<bool(int signal)>;
  explicit SignalWatcher(Handler on_signal);
  /// The handler is not called any more: the process is about to end with a status of its own. A signal that comes
  /// late does not change it, but two say that it takes too long.
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;  // the thread's too
};

}  // namespace cairn
