// What this machine can do: the limits that every figure is a fraction of, measured beside it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "backends/cpu/isa.h"
#include "ops/core/cost.h"
#include "runtime/arena.h"
#include "runtime/thread_team.h"

namespace cairn {

inline double seconds_of(const std::function<void()>& body) {
  auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The least of several short timings: what the machine does when nothing else runs on its cores.
inline double best_seconds(int rounds, const std::function<void()>& body) {
  double best = 1e30;
  for (int round = 0; round < rounds; ++round) best = std::min(best, seconds_of(body));
  return best;
}

/// Peak of the team on registers alone, operations/s (a multiply-add is two), the best of some milliseconds.
double measure_peak(ThreadTeam& team, Isa isa, Arithmetic arithmetic);

/// Bandwidth of the team over a buffer larger than the caches, on huge pages as weights and KV caches are, bytes/s.
class MemoryBandwidth {
 public:
  /// Throws resource_exhausted when there is no room for `bytes`.
  explicit MemoryBandwidth(std::int64_t bytes = 512 << 20);
  /// The best of several pieces of 32 MiB that together are the buffer.
  double read(ThreadTeam& team, Isa isa) const;
  /// Bytes copied (not read plus written), of one half to the other.
  double copy(ThreadTeam& team, Isa isa) const;

 private:
  Arena arena_;
};

/// Bytes/s of repeated reads of `bytes` a member, which stay in a cache of that size.
double measure_cache_read(ThreadTeam& team, Isa isa, std::int64_t bytes);

struct CacheLevel {
  int level = 0;
  std::int64_t bytes = 0;  // of one instance
};
/// Data caches of the first processor, from the first level on, as the system tells them; empty when it does not.
std::vector<CacheLevel> data_caches();

struct Limit {
  std::string name;  // "read bandwidth", "int8 peak", …
  std::string unit;  // "GB/s" or "GOP/s"
  int threads = 1;
  double value = 0;  // in `unit`
};
/// Every limit at 1 and at `threads` threads; calls `progress(done, total)` in between.
std::vector<Limit> measure_limits(int threads, Isa isa, const std::function<void(int, int)>& progress);

}  // namespace cairn
