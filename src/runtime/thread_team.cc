#include "runtime/thread_team.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <string>

#include "base/error.h"

namespace cairn {
namespace {

// Long enough to bridge the gaps between the steps of a plan, short enough not to burn an idle machine. Yielding now and
// then lets the member that is waited for run where other programs want the same processors.
constexpr int kSpins = 20000, kSpinsPerYield = 128;

inline void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns once `value` differs from `old`.
template <typename T>
void await_change(const std::atomic<T>& value, T old) noexcept {
  for (int i = 0; i < kSpins; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    if (i % kSpinsPerYield == kSpinsPerYield - 1) ::sched_yield();
    else relax();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

void bind_this_thread(int processor) noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(processor), &set);
  sched_setaffinity(0, sizeof set, &set);  // a processor that went away leaves the thread where it is
}

// Binds the calling thread as long as this lives.
class Bound {
 public:
  explicit Bound(int processor) noexcept {
    known_ = sched_getaffinity(0, sizeof before_, &before_) == 0;
    bind_this_thread(processor);
  }
  ~Bound() {
    if (known_) sched_setaffinity(0, sizeof before_, &before_);
  }
  Bound(const Bound&) = delete;

 private:
  cpu_set_t before_;
  bool known_;
};

}  // namespace

void Barrier::wait() noexcept {
  if (threads_ == 1) return;
  std::uint32_t generation = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
    arrived_.store(0, std::memory_order_relaxed);
    generation_.store(generation + 1, std::memory_order_release);
    generation_.notify_all();
  } else {
    await_change(generation_, generation);
  }
}

ThreadTeam::ThreadTeam(int threads, std::vector<int> processors)
    : size_(threads), processors_(std::move(processors)), inner_(threads) {
  if (threads < 1 || threads > 1024) fail_invalid("{} threads: between 1 and 1024 are accepted", threads);
  if (!processors_.empty() && processors_.size() != static_cast<std::size_t>(threads))
    fail_invalid("{} processors for {} threads", processors_.size(), threads);
  for (int member = 1; member < size_; ++member) threads_.emplace_back([this, member] { serve(member); });
}

ThreadTeam::~ThreadTeam() {
  stopping_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
}

void ThreadTeam::run(const std::function<void(int)>& body) {
  std::optional<Bound> bound;
  if (!processors_.empty()) bound.emplace(processors_[0]);
  if (size_ == 1) return body(0);
  body_ = &body;
  running_.store(size_ - 1, std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  body(0);
  for (int left = running_.load(std::memory_order_acquire); left != 0; left = running_.load(std::memory_order_acquire))
    await_change(running_, left);
}

void ThreadTeam::serve(int member) {
  if (!processors_.empty()) bind_this_thread(processors_[static_cast<std::size_t>(member)]);
  for (std::uint32_t seen = 0;; ++seen) {
    await_change(epoch_, seen);
    if (stopping_) return;
    (*body_)(member);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  std::ifstream quota("/sys/fs/cgroup/cpu.max");  // "max 100000" or "200000 100000"
  std::string limit;
  double period = 0;
  if (quota >> limit >> period && limit != "max" && period > 0)
    count = std::min(count, static_cast<int>(std::ceil(std::stod(limit) / period)));
  return std::max(count, 1);
}

}  // namespace cairn
