// Text as Python sees it: a sequence of code points, over UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::jinja {

/// Decodes the code point at `position` (which must be inside `text`) and moves past it. Ill-formed bytes, which
/// sanitized text does not hold, count as one code point each.
char32_t next_code_point(std::string_view text, std::size_t& position);

/// Code points in `text`.
std::int64_t text_length(std::string_view text);

/// Byte offset of code point `index`; the size of `text` when it has no more than `index` code points.
std::size_t byte_offset(std::string_view text, std::int64_t index);

/// str.isspace() of one character.
bool is_space(char32_t code);
/// str.isprintable() of one character: what repr() does not escape.
bool is_printable(char32_t code);
bool is_alphabetic(char32_t code);
bool is_decimal(char32_t code);
bool is_cased(char32_t code);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
/// str.capitalize(): the first character in title case, the rest in lower case.
std::string to_capitalized(std::string_view text);
/// str.title(): every run of letters capitalized.
std::string to_title(std::string_view text);

/// Position of `part` in `text` at or after byte `from`, or npos; linear in `text` whatever the two hold.
std::size_t find_text(std::string_view text, std::string_view part, std::size_t from = 0);

enum class Side { left, right, both };

/// `text` without leading and/or trailing white space.
std::string_view strip_space(std::string_view text, Side side);
/// `text` without leading and/or trailing characters of the set `characters`.
std::string_view strip_characters(std::string_view text, std::string_view characters, Side side);

}  // namespace cairn::jinja
