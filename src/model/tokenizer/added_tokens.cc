#include "model/tokenizer/added_tokens.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>

#include "base/error.h"
#include "model/tokenizer/unicode_additions.h"

namespace cairn {
namespace {

constexpr std::size_t kMaxContentBytes = 1024;

struct Character {
  UChar32 code;
  std::size_t length;  // bytes
};

Character last_character(std::string_view text) {
  text.remove_prefix(text.size() - std::min<std::size_t>(text.size(), U8_MAX_LENGTH));
  auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  auto size = static_cast<std::int32_t>(text.size()), begin = size;
  UChar32 code = 0;
  U8_PREV_OR_FFFD(bytes, 0, begin, code);
  return {code, static_cast<std::size_t>(size - begin)};
}

Character first_character(std::string_view text) {
  text = text.substr(0, U8_MAX_LENGTH);
  auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  auto size = static_cast<std::int32_t>(text.size()), end = std::int32_t{0};
  UChar32 code = 0;
  U8_NEXT_OR_FFFD(bytes, end, size, code);
  return {code, static_cast<std::size_t>(end)};
}

// \w of Unicode 16's regular expressions (UTS 18), ICU's tables being older.
bool is_word(UChar32 code) {
  constexpr std::uint32_t categories = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  if (u_hasBinaryProperty(code, UCHAR_ALPHABETIC) || (U_GET_GC_MASK(code) & categories) != 0 ||
      u_hasBinaryProperty(code, UCHAR_JOIN_CONTROL))
    return true;
  return std::ranges::any_of(unicode_additions(), [code](const UnicodeAddition& addition) {
    auto point = static_cast<char32_t>(code);
    std::string_view category = addition.category;
    return addition.version <= 16 && point >= addition.first && point <= addition.last &&
           (category[0] == 'L' || category[0] == 'M' || category == "Nd" || category == "Nl" || category == "Pc");
  });
}

bool stands_alone(std::string_view before, std::string_view after) {
  return (before.empty() || !is_word(last_character(before).code)) &&
         (after.empty() || !is_word(first_character(after).code));
}

std::size_t spaces_at_end(std::string_view text) {
  std::size_t size = text.size();
  while (!text.empty()) {
    Character last = last_character(text);
    if (!u_isUWhiteSpace(last.code)) break;
    text.remove_suffix(last.length);
  }
  return size - text.size();
}

std::size_t spaces_at_start(std::string_view text) {
  std::size_t size = text.size();
  while (!text.empty()) {
    Character first = first_character(text);
    if (!u_isUWhiteSpace(first.code)) break;
    text.remove_prefix(first.length);
  }
  return size - text.size();
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  if (tokens_.empty()) return;
  auto by_content = [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; };
  auto equal = [](const AddedToken& a, const AddedToken& b) { return a.content == b.content; };
  std::stable_sort(tokens_.begin(), tokens_.end(), by_content);
  tokens_.erase(std::unique(tokens_.begin(), tokens_.end(), equal), tokens_.end());
  for (const AddedToken& token : tokens_) {
    if (token.content.size() > kMaxContentBytes)
      fail_invalid("added token {} is {} bytes long; the limit is {}", token.id, token.content.size(),
                   kMaxContentBytes);
    starts_.set(static_cast<unsigned char>(token.content[0]));
  }
  build(0, tokens_.size(), 0);
}

// Makes the node for tokens_[first, last), which share their first `depth` bytes; returns its index.
std::int32_t AddedTokenMatcher::build(std::size_t first, std::size_t last, std::size_t depth) {
  auto index = static_cast<std::int32_t>(nodes_.size());
  nodes_.emplace_back();
  if (tokens_[first].content.size() == depth) nodes_.back().token = static_cast<std::int32_t>(first++);
  std::vector<Edge> edges;
  while (first < last) {
    char byte = tokens_[first].content[depth];
    std::size_t end = first;
    while (end < last && tokens_[end].content[depth] == byte) ++end;
    edges.push_back({static_cast<unsigned char>(byte), build(first, end, depth + 1)});
    first = end;
  }
  Node& node = nodes_[static_cast<std::size_t>(index)];
  node.first_edge = static_cast<std::int32_t>(edges_.size());
  node.edge_count = static_cast<std::int32_t>(edges.size());
  edges_.insert(edges_.end(), edges.begin(), edges.end());
  return index;
}

std::int32_t AddedTokenMatcher::child(const Node& node, unsigned char byte) const {
  auto begin = edges_.begin() + node.first_edge, end = begin + node.edge_count;
  auto found =
      std::lower_bound(begin, end, byte, [](const Edge& edge, unsigned char value) { return edge.byte < value; });
  return found != end && found->byte == byte ? found->node : -1;
}

bool AddedTokenMatcher::next_match(std::string_view text, std::size_t from, Match& match) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!starts_[static_cast<unsigned char>(text[begin])]) continue;
    match.token = -1;
    std::int32_t node = 0;
    for (std::size_t at = begin; at < text.size(); ++at) {
      node = child(nodes_[static_cast<std::size_t>(node)], static_cast<unsigned char>(text[at]));
      if (node < 0) break;
      std::int32_t token = nodes_[static_cast<std::size_t>(node)].token;
      if (token >= 0) match = {begin, at + 1, token};
    }
    if (match.token >= 0) return true;
  }
  return false;
}

void AddedTokenMatcher::split(std::string_view text, std::vector<TextSegment>& out) const {
  std::size_t done = 0;  // up to here the text is in segments
  Match match{0, 0, -1};
  for (std::size_t from = 0; next_match(text, from, match); from = match.end) {
    const AddedToken& token = tokens_[static_cast<std::size_t>(match.token)];
    std::size_t begin = match.begin, end = match.end;
    if (token.single_word && !stands_alone(text.substr(0, begin), text.substr(end))) continue;
    // A token before this one may have taken the spaces already.
    if (token.lstrip) begin = std::max(begin - spaces_at_end(text.substr(0, begin)), done);
    if (token.rstrip) end += spaces_at_start(text.substr(end));
    if (done < begin) out.push_back({text.substr(done, begin - done), -1});
    out.push_back({text.substr(begin, end - begin), token.id});
    done = end;
  }
  if (done < text.size()) out.push_back({text.substr(done), -1});
}

}  // namespace cairn
