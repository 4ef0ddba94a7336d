// A resident team of threads that runs one function on every member, with cheap barriers inside.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace cairn {

/// A barrier for a fixed number of threads: spins for some microseconds, then sleeps. Reusable.
class Barrier {
 public:
  explicit Barrier(int threads) : threads_(threads) {}
  void wait() noexcept;

 private:
  const int threads_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
};

/// The thread that calls run() is member 0; the others wait for work, spinning briefly and then sleeping, so that an
/// idle process burns no CPU. One run() at a time.
class ThreadTeam {
 public:
  /// `threads` >= 1. Member i runs on processor `processors[i]` (placement.h); with none given the system places members
  /// inside the process's allowed set. Member 0 is bound during run() only.
  explicit ThreadTeam(int threads, std::vector<int> processors = {});
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;

  int size() const { return size_; }
  /// Calls body(member) on every member and returns when all are done. `body` must not throw.
  void run(const std::function<void(int)>& body);
  /// Waits until every member has arrived; only inside run(), called by all members alike.
  void barrier() noexcept { inner_.wait(); }

 private:
  void serve(int member);

  const int size_;
  const std::vector<int> processors_;
  Barrier inner_;
  const std::function<void(int)>* body_ = nullptr;
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<int> running_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::jthread> threads_;
};

/// Processors this process may use (its affinity mask and cgroup quota), at least 1.
int available_processors();

}  // namespace cairn
