// Small text helpers: UTF-8, markup, human-readable sizes, nearest name for "did you mean".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cairn {

/// Length of the longest prefix of `bytes` that does not end inside a UTF-8 character. An incomplete but so far valid
/// sequence at the end is left out; an invalid byte counts as complete (it will be replaced).
std::size_t complete_utf8_prefix(std::string_view bytes);

/// Replaces every ill-formed sequence by U+FFFD, following the Unicode "maximal subpart" practice (as Python's
/// bytes.decode("utf-8", "replace")).
std::string sanitize_utf8(std::string_view bytes);

/// Appends `code` (a Unicode scalar value) as UTF-8.
void append_utf8(std::string& out, char32_t code);

/// Replaces & < > " ' by entities (the quotes by &#34; and &#39;): for HTML, XML and SVG.
std::string escape_html(std::string_view text);

/// Well-formed UTF-8 `text` for a message: at most `bytes` of it, cut between characters, then "…" where it was cut.
std::string shorten(std::string_view text, std::size_t bytes);

/// "1.5 GiB", "512 B".
std::string human_bytes(std::uint64_t bytes);

/// Parses "4GiB", "512M", "1024" (binary units) into bytes; throws invalid_argument naming `what`.
std::uint64_t parse_bytes(std::string_view text, std::string_view what);

/// The candidate nearest to `name` by edit distance, or "" when none is near.
std::string nearest_name(std::string_view name, std::span<const std::string> candidates);

}  // namespace cairn
