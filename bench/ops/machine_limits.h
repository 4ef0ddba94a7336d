// What this machine can do, measured beside each benchmark.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "backends/cpu/isa.h"
#include "runtime/arena.h"
#include "runtime/thread_team.h"

namespace cairn::bench {

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

/// Peaks of the team on registers alone, operations/s (a multiply-add is two).
double measure_fma_peak(ThreadTeam& team, Isa isa);
double measure_i8_peak(ThreadTeam& team, Isa isa);
double measure_bf16_peak(ThreadTeam& team, Isa isa);

/// Read bandwidth of the team over a buffer larger than the caches, on huge pages as weights and caches are, bytes/s.
class ReadBandwidth {
 public:
  explicit ReadBandwidth(std::int64_t bytes = 512 << 20);
  double measure(ThreadTeam& team, Isa isa) const;

 private:
  Arena arena_;
};

}  // namespace cairn::bench
