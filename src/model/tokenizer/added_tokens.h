// Finds added tokens ("<|im_end|>") in text.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

/// A token that is matched in the text itself, before splitting into words (Hugging Face's AddedToken).
struct AddedToken {
  int id = 0;
  std::string content;
  bool special = false;      // decode() may skip it
  bool single_word = false;  // only between non-word characters
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space behind it
  bool normalized = false;   // matched after normalization
};

/// A part of the text: an added token, or what lies between two (id < 0).
struct TextSegment {
  std::string_view text;
  int id = -1;
};

/// Leftmost-longest search for a set of added tokens over a trie. Immutable; safe to use from many threads.
class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  /// Empty contents are left out; of two equal ones the first counts. Throws invalid_argument when one is over 1,024
  /// bytes long (the bound on work for each byte of text).
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  /// Appends the segments of `text` in order; none has both an empty text and no id.
  void split(std::string_view text, std::vector<TextSegment>& out) const;

 private:
  struct Edge {
    unsigned char byte;
    std::int32_t node;
  };
  struct Node {
    std::int32_t first_edge = 0, edge_count = 0;
    std::int32_t token = -1;  // index into tokens_
  };
  struct Match {
    std::size_t begin, end;
    std::int32_t token;
  };

  std::int32_t build(std::size_t first, std::size_t last, std::size_t depth);
  bool next_match(std::string_view text, std::size_t from, Match& match) const;
  std::int32_t child(const Node& node, unsigned char byte) const;

  std::vector<AddedToken> tokens_;  // sorted by content
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::bitset<256> starts_;
};

}  // namespace cairn
