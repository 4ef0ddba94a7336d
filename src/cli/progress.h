// Progress of something that takes more than a second: a bar on a terminal, log-like lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace cairn {

/// What a progress line shows. `unit` "B" prints sizes, anything else counts.
struct ProgressState {
  std::string what, unit;
  std::int64_t done = 0, total = 0;
  double seconds = 0;
};

/// "packing weights  45% [#########...........] 1.2 GiB of 2.7 GiB, 800 MiB/s, 2 s left"; no wider than `width`.
std::string progress_line(const ProgressState& state, int width);

/// "2 s", "3 min 05 s", "1 h 02 min".
std::string human_seconds(double seconds);

/// Writes to stderr. Silent in its first second, then at most ten times a second on a terminal, else every five
/// seconds. One thread at a time.
class Progress {
 public:
  Progress(std::string what, std::string unit, std::int64_t total);
  /// Clears the bar.
  ~Progress();
  Progress(const Progress&) = delete;
  void update(std::int64_t done);

 private:
  ProgressState state_;
  std::chrono::steady_clock::time_point start_, last_{};
  bool terminal_, shown_ = false;
};

}  // namespace cairn
