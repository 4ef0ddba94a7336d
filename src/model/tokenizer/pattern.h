// One compiled regular expression over UTF-8 text.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

/// What one thread needs to run patterns: PCRE2's match data and limits. Cheap to make; one for each encode() call.
class PatternState {
 public:
  PatternState();
  ~PatternState();
  PatternState(PatternState&&) noexcept;
  PatternState& operator=(PatternState&&) noexcept;

 private:
  friend class Pattern;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Immutable; safe to use from many threads, each with its own PatternState.
class Pattern {
 public:
  /// Compiles a PCRE2 pattern (UTF and Unicode properties on, '\n' ends lines, groups capture nothing). Throws
  /// invalid_argument naming `what` and PCRE2's complaint.
  Pattern(const std::string& pcre2_pattern, std::string_view what);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  /// Byte offsets [first, second) of the first match at or after `from` in well-formed UTF-8 `text`, or nullopt.
  /// Throws resource_exhausted when the pattern backtracks beyond the limit.
  std::optional<std::pair<std::size_t, std::size_t>> find(std::string_view text, std::size_t from,
                                                          PatternState& state) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
