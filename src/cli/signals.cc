#include "cli/signals.h"

#include <csignal>
#include <ctime>

namespace cairn {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

SignalWatcher::SignalWatcher(Handler on_signal) {
  sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::jthread([on_signal = std::move(on_signal)](const std::stop_token& stop) {
    sigset_t waited = stop_signals();
    const timespec tick{0, 100'000'000};
    for (int count = 0; !stop.stop_requested();)
      if (int signal = sigtimedwait(&waited, nullptr, &tick); signal > 0) on_signal(signal, count++);
  });
}

SignalWatcher::~SignalWatcher() {
  thread_.request_stop();
  thread_.join();
}

}  // namespace cairn
