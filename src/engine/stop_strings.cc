#include "engine/stop_strings.h"

#include <algorithm>

namespace cairn {

StopStringMatcher::StopStringMatcher(const std::vector<std::string>& strings) {
  for (const std::string& text : strings) {
    Pattern pattern{text, std::vector<std::size_t>(text.size(), 0), 0};
    for (std::size_t i = 1, length = 0; i < text.size(); ++i) {
      while (length > 0 && text[i] != text[length]) length = pattern.fallback[length - 1];
      if (text[i] == text[length]) ++length;
      pattern.fallback[i] = length;
    }
    patterns_.push_back(std::move(pattern));
  }
}

std::optional<StopStringMatcher::Match> StopStringMatcher::push(std::string_view piece, bool may_stop) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    std::optional<Match> match;
    for (std::size_t p = 0; p < patterns_.size(); ++p) {
      Pattern& pattern = patterns_[p];
      std::size_t& length = pattern.matched;
      while (length > 0 && piece[i] != pattern.text[length]) length = pattern.fallback[length - 1];
      if (piece[i] == pattern.text[length]) ++length;
      if (length < pattern.text.size()) continue;
      length = pattern.fallback[length - 1];
      if (may_stop && !match) match = Match{p, i + 1};
    }
    if (match) return match;
  }
  return std::nullopt;
}

std::size_t StopStringMatcher::held_back() const {
  std::size_t longest = 0;
  for (const Pattern& pattern : patterns_) longest = std::max(longest, pattern.matched);
  return longest;
}

}  // namespace cairn
