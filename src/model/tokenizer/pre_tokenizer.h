// Cuts text into the words that byte-pair encoding works on.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "model/tokenizer/pattern.h"

namespace cairn {

/// What becomes of a match (Hugging Face's SplitDelimiterBehavior).
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// One splitting step; later steps see each piece by itself.
struct SplitStep {
  Pattern pattern;
  SplitBehavior behavior = SplitBehavior::isolated;
  bool invert = false;  // what lies between the matches counts as the match
};

/// Work space and result of one call.
struct PreTokens {
  struct Span {
    std::size_t begin, end;
    bool is_match;
  };
  std::vector<std::string_view> pieces;  // the result, in order, none empty; valid while the text and this live
  std::vector<std::string_view> next;
  std::vector<Span> spans;
  std::deque<std::string> prefixed;
  PatternState state;
};

/// Immutable; safe to use from many threads, each with its own PreTokens.
class PreTokenizer {
 public:
  void add_step(SplitStep step) { steps_.push_back(std::move(step)); }
  /// From here on every piece that does not start with a space gets one in front.
  void add_prefix_space() { prefix_space_at_ = steps_.size(); }

  /// Replaces out.pieces with the words of well-formed UTF-8 `text`.
  void split(std::string_view text, PreTokens& out) const;

 private:
  std::vector<SplitStep> steps_;
  std::size_t prefix_space_at_ = static_cast<std::size_t>(-1);
};

/// GPT-2's pattern, which ByteLevel pre-tokenizers use (in tokenizer.json's dialect).
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace cairn
