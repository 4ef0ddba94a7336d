#include "cli/signals.h"

#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <utility>

namespace cairn {

struct SignalWatcher::State {
  std::mutex mutex;
  Handler on_signal;
  bool ending = false;
};

SignalWatcher::SignalWatcher(Handler on_signal) : state_(std::make_shared<State>()) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  state_->on_signal = std::move(on_signal);
  std::thread([state = state_, signals] {
    for (int signal = 0;;) {
      if (sigwait(&signals, &signal) != 0) continue;
      std::lock_guard lock(state->mutex);
      if (state->ending) std::_Exit(128 + signal);
      state->ending = !state->on_signal || state->on_signal(signal);
    }
  }).detach();
}

SignalWatcher::~SignalWatcher() {
  std::lock_guard lock(state_->mutex);
  state_->on_signal = nullptr;
}

}  // namespace cairn
