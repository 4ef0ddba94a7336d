#include "cli/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "base/text.h"

namespace cairn {
namespace {

std::string amount(const std::string& unit, double value) {
  if (unit == "B") return human_bytes(static_cast<std::uint64_t>(std::max(value, 0.0)));
  return value >= 100 || value == static_cast<double>(static_cast<std::int64_t>(value)) ? fmt::format("{:.0f}", value)
                                                                                        : fmt::format("{:.1f}", value);
}

int terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

std::string human_seconds(double seconds) {
  auto whole = static_cast<std::int64_t>(std::max(seconds, 0.0) + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string progress_line(const ProgressState& state, int width) {
  double share =
      state.total > 0 ? std::clamp(static_cast<double>(state.done) / static_cast<double>(state.total), 0.0, 1.0) : 1.0;
  double rate = state.seconds > 0 ? static_cast<double>(state.done) / state.seconds : 0;
  std::string head = fmt::format("{} {:>3.0f}%", state.what, share * 100);
  std::string unit = state.unit == "B" ? "" : " " + state.unit;
  std::string tail = fmt::format("{} of {}{}", amount(state.unit, static_cast<double>(state.done)),
                                 amount(state.unit, static_cast<double>(state.total)), unit);
  if (rate > 0) tail += fmt::format(", {}{}/s", amount(state.unit, rate), unit);
  if (rate > 0 && state.done < state.total)
    tail += fmt::format(", {} left", human_seconds(static_cast<double>(state.total - state.done) / rate));
  int room = width - static_cast<int>(head.size() + tail.size()) - 4;
  if (room < 5) return (head + " " + tail).substr(0, static_cast<std::size_t>(std::max(width, 0)));
  int bar = std::min(room, 30);
  int full = static_cast<int>(share * bar);
  return fmt::format("{} [{:#<{}}{:.<{}}] {}", head, "", full, "", bar - full, tail);
}

Progress::Progress(std::string what, std::string unit, std::int64_t total)
    : start_(std::chrono::steady_clock::now()), terminal_(isatty(STDERR_FILENO) != 0) {
  state_.what = std::move(what);
  state_.unit = std::move(unit);
  state_.total = total;
}

Progress::~Progress() {
  if (shown_ && terminal_) fmt::print(stderr, "\r\x1b[K");
}

void Progress::update(std::int64_t done) {
  using namespace std::chrono_literals;
  auto now = std::chrono::steady_clock::now();
  state_.done = done;
  state_.seconds = std::chrono::duration<double>(now - start_).count();
  if (now - start_ < 1s || now - last_ < (terminal_ ? 100ms : 5000ms)) return;
  last_ = now;
  shown_ = true;
  if (terminal_)
    fmt::print(stderr, "\r{}\x1b[K", progress_line(state_, terminal_width() - 1));
  else
    fmt::print(stderr, "{}\n", progress_line(state_, 120));
  std::fflush(stderr);
}

}  // namespace cairn
