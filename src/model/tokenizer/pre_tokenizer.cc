#include "model/tokenizer/pre_tokenizer.h"

#include <algorithm>

namespace cairn {
namespace {

using Span = PreTokens::Span;

std::size_t next_character(std::string_view text, std::size_t at) {
  do ++at;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

// Matches and what lies between them, in order. As in rust-onig, an empty match right behind a match does not count.
void find_spans(const Pattern& pattern, std::string_view text, PatternState& state, std::vector<Span>& spans) {
  spans.clear();
  std::size_t done = 0, from = 0;
  bool matched = false;
  while (from <= text.size()) {
    auto found = pattern.find(text, from, state);
    if (!found) break;
    auto [begin, end] = *found;
    if (begin == end && matched && end == done) {
      from = next_character(text, from);
      continue;
    }
    if (done != begin) spans.push_back({done, begin, false});
    spans.push_back({begin, end, true});
    done = from = end;
    matched = true;
  }
  if (done != text.size()) spans.push_back({done, text.size(), false});
}

// Joins neighbours in place: keeps a span apart, or lets `joins(span, previous is_match)` widen the one before it.
template <typename Joins, typename Widen>
void fold(std::vector<Span>& spans, Joins joins, Widen widen) {
  std::size_t kept = 0;
  bool previous_match = false;
  for (const Span span : spans) {
    bool is_match = span.is_match;
    if (kept > 0 && joins(is_match, previous_match))
      widen(spans[kept - 1], span);
    else
      spans[kept++] = span;
    previous_match = is_match;
  }
  spans.resize(kept);
}

void apply_behavior(std::vector<Span>& spans, SplitBehavior behavior) {
  auto extend_end = [](Span& into, const Span& from) { into.end = from.end; };
  auto extend_begin = [](Span& into, const Span& from) { into.begin = from.begin; };
  auto same_kind = [](bool is_match, bool previous) { return is_match == previous; };
  auto lone_match = [](bool is_match, bool previous) { return is_match && !previous; };
  switch (behavior) {
    case SplitBehavior::removed:
      std::erase_if(spans, [](const Span& span) { return span.is_match; });
      break;
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::contiguous:
      fold(spans, same_kind, extend_end);
      break;
    case SplitBehavior::merged_with_previous:
      fold(spans, lone_match, extend_end);
      break;
    case SplitBehavior::merged_with_next:
      std::reverse(spans.begin(), spans.end());
      fold(spans, lone_match, extend_begin);
      std::reverse(spans.begin(), spans.end());
      break;
  }
}

void split_piece(const SplitStep& step, std::string_view piece, PreTokens& out) {
  find_spans(step.pattern, piece, out.state, out.spans);
  if (step.invert)
    for (Span& span : out.spans) span.is_match = !span.is_match;
  apply_behavior(out.spans, step.behavior);
  for (const Span& span : out.spans)
    if (span.end > span.begin) out.next.push_back(piece.substr(span.begin, span.end - span.begin));
}

}  // namespace

void PreTokenizer::split(std::string_view text, PreTokens& out) const {
  out.pieces.clear();
  out.prefixed.clear();
  if (!text.empty()) out.pieces.push_back(text);
  for (std::size_t i = 0; i <= steps_.size(); ++i) {
    if (i == prefix_space_at_) {
      for (std::string_view& piece : out.pieces) {
        if (!piece.starts_with(' ')) piece = out.prefixed.emplace_back(" ").append(piece);
      }
    }
    if (i == steps_.size()) break;
    out.next.clear();
    for (std::string_view piece : out.pieces) split_piece(steps_[i], piece, out);
    out.pieces.swap(out.next);
  }
}

}  // namespace cairn
