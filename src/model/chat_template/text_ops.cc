#include "model/chat_template/text_ops.h"

#include <algorithm>

namespace cairn::jinja {

namespace {

std::int64_t size_of(std::string_view text) { return static_cast<std::int64_t>(text.size()); }

bool is_line_end(char32_t code) {
  return (code >= 0x0a && code <= 0x0d) || (code >= 0x1c && code <= 0x1e) || code == 0x85 || code == 0x2028 ||
         code == 0x2029;
}

// An empty part goes before each of the first `count` characters, and after the last.
std::string interleave(std::string_view text, std::string_view replacement, std::int64_t count) {
  std::string out;
  std::size_t position = 0;
  for (; count > 0; --count) {
    out += replacement;
    if (position == text.size()) break;
    std::size_t start = position;
    next_code_point(text, position);
    out += text.substr(start, position - start);
  }
  return out.append(text.substr(position));
}

}  // namespace

std::size_t find_last_text(RenderContext& context, std::string_view text, std::string_view part) {
  context.charge(size_of(text) * (1 + size_of(part) / 16));  // a plain search backwards: may compare that much
  return text.rfind(part);
}

std::int64_t count_text(RenderContext& context, std::string_view text, std::string_view part) {
  context.charge(size_of(text));
  if (part.empty()) return text_length(text) + 1;
  std::int64_t count = 0;
  for (std::size_t at = find_text(text, part); at != std::string_view::npos;
       at = find_text(text, part, at + part.size())) {
    ++count;
  }
  return count;
}

std::string replace_text(RenderContext& context, std::string_view text, std::string_view part,
                         std::string_view replacement, std::int64_t count) {
  std::int64_t occurrences = count_text(context, text, part);
  count = count < 0 ? occurrences : std::min(count, occurrences);
  std::int64_t growth = std::max<std::int64_t>(size_of(replacement) - size_of(part), 0);
  std::int64_t added = 0;
  if (__builtin_mul_overflow(count, growth, &added)) added = INT64_MAX / 2;
  context.require_memory(size_of(text) + added);
  if (part.empty()) return interleave(text, replacement, count);
  std::string out;
  std::size_t start = 0;
  for (; count > 0; --count) {
    std::size_t at = find_text(text, part, start);
    out.append(text.substr(start, at - start)).append(replacement);
    start = at + part.size();
  }
  return out.append(text.substr(start));
}

std::vector<std::string_view> split_text(RenderContext& context, std::string_view text, std::string_view separator,
                                         std::int64_t limit, bool from_left) {
  if (separator.empty()) context.fail("empty separator");
  std::int64_t parts_bound = size_of(text) / size_of(separator) + 1;
  context.require_memory(parts_bound * static_cast<std::int64_t>(sizeof(Value)));
  std::vector<std::string_view> parts;
  context.charge(size_of(text));
  std::string_view rest = text;
  for (; limit != 0; --limit) {
    std::size_t at = from_left ? find_text(rest, separator) : find_last_text(context, rest, separator);
    if (at == std::string_view::npos) break;
    std::string_view before = rest.substr(0, at);
    std::string_view after = rest.substr(at + separator.size());
    parts.push_back(from_left ? before : after);
    rest = from_left ? after : before;
  }
  parts.push_back(rest);
  if (!from_left) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_space(RenderContext& context, std::string_view text, std::int64_t limit,
                                          bool from_left) {
  context.charge(size_of(text));
  context.require_memory((size_of(text) / 2 + 1) * static_cast<std::int64_t>(sizeof(Value)));
  std::vector<std::string_view> words;
  for (std::size_t position = 0; position < text.size();) {
    std::size_t start = position;
    std::size_t end = position;
    while (position < text.size() && !is_space(next_code_point(text, position))) end = position;
    if (end > start) words.push_back(text.substr(start, end - start));
  }
  if (limit < 0 || static_cast<std::int64_t>(words.size()) <= limit) return words;
  // The words beyond the limit stay together, with the spaces between them.
  auto kept = static_cast<std::size_t>(limit);
  const char* begin = from_left ? words[kept].data() : text.data();
  const std::string_view& last = words[words.size() - kept - 1];
  const char* end = from_left ? text.data() + text.size() : last.data() + last.size();
  std::string_view rest(begin, static_cast<std::size_t>(end - begin));
  if (from_left) {
    words.resize(kept);
    words.push_back(strip_space(rest, Side::left));
  } else {
    words.erase(words.begin(), words.end() - static_cast<std::ptrdiff_t>(kept));
    words.insert(words.begin(), strip_space(rest, Side::right));
  }
  return words;
}

std::vector<std::string_view> split_into_lines(RenderContext& context, std::string_view text, bool keep_ends) {
  context.charge(size_of(text));
  context.require_memory((size_of(text) + 1) * static_cast<std::int64_t>(sizeof(Value)));
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t position = 0; position < text.size();) {
    std::size_t end = position;
    char32_t code = next_code_point(text, position);
    if (!is_line_end(code)) continue;
    if (code == '\r' && position < text.size() && text[position] == '\n') ++position;
    lines.push_back(text.substr(start, (keep_ends ? position : end) - start));
    start = position;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::string justify_text(RenderContext& context, std::string_view text, std::int64_t width, std::string_view fill,
                         char align) {
  if (text_length(fill) != 1) context.fail("the fill character must be exactly one character long");
  context.charge(size_of(text));
  std::int64_t length = text_length(text);
  if (width <= length) return std::string(text);
  std::int64_t missing = width - length;
  if (missing > INT64_MAX / 8) missing = INT64_MAX / 8;
  context.require_memory(size_of(text) + missing * size_of(fill));
  // Python's center puts the odd character on the left only when the width is odd.
  std::int64_t before = align == '>' ? missing : align == '^' ? missing / 2 + (missing & width & 1) : 0;
  std::string out;
  for (std::int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (std::int64_t i = before; i < missing; ++i) out += fill;
  return out;
}

std::string_view strip_characters(RenderContext& context, std::string_view text, std::string_view set, Side side) {
  context.charge(size_of(text) * (1 + size_of(set) / 16));
  return strip_characters(text, set, side);
}

bool is_all_case(RenderContext& context, std::string_view text, bool upper) {
  context.charge(size_of(text) * 2);
  bool cased = false;
  for (std::size_t position = 0; position < text.size() && !cased;) cased = is_cased(next_code_point(text, position));
  return cased && text == (upper ? to_upper(text) : to_lower(text));
}

}  // namespace cairn::jinja
