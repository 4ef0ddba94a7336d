// Finds stop strings in text that grows piece by piece, whatever the pieces' borders.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

/// Knuth-Morris-Pratt matchers side by side: each byte is looked at once, and what to hold back is known exactly.
class StopStringMatcher {
 public:
  /// `strings` must be non-empty UTF-8.
  explicit StopStringMatcher(const std::vector<std::string>& strings);

  struct Match {
    std::size_t string;  // index of the stop string
    std::size_t end;     // bytes of the piece up to and with the match
  };
  /// Reads the next piece. The match that ends first, of those ending together the first in the list; nothing more may
  /// be pushed after one. With `may_stop` false a match ending in this piece is passed over.
  std::optional<Match> push(std::string_view piece, bool may_stop);

  /// Bytes at the end of the text so far that could be the start of a stop string.
  std::size_t held_back() const;

  const std::string& string(std::size_t index) const { return patterns_[index].text; }
  bool empty() const { return patterns_.empty(); }

 private:
  struct Pattern {
    std::string text;
    std::vector<std::size_t> fallback;  // [i]: longest proper prefix of text that ends at i
    std::size_t matched = 0;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace cairn
