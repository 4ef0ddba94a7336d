// Splitting, replacing and padding of text, shared by methods and filters. All charge the context for their work.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/chat_template/render_context.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

/// Position of the last `part` in `text`, or npos.
std::size_t find_last_text(RenderContext& context, std::string_view text, std::string_view part);

/// Non-overlapping occurrences; an empty part occurs around every character.
std::int64_t count_text(RenderContext& context, std::string_view text, std::string_view part);

/// str.replace; a negative `count` replaces all.
std::string replace_text(RenderContext& context, std::string_view text, std::string_view part,
                         std::string_view replacement, std::int64_t count);

/// str.split / str.rsplit with a separator; at most `limit` splits when not negative.
std::vector<std::string_view> split_text(RenderContext& context, std::string_view text, std::string_view separator,
                                         std::int64_t limit, bool from_left);

/// str.split / str.rsplit at runs of white space.
std::vector<std::string_view> split_space(RenderContext& context, std::string_view text, std::int64_t limit,
                                          bool from_left);

/// str.splitlines, at the line ends that Python knows.
std::vector<std::string_view> split_into_lines(RenderContext& context, std::string_view text, bool keep_ends);

/// `text` filled up to `width` characters with `fill` (one character); `align` is '<', '>' or '^'.
std::string justify_text(RenderContext& context, std::string_view text, std::int64_t width, std::string_view fill,
                         char align);

/// strip_characters of unicode.h, charged for the size of the set.
std::string_view strip_characters(RenderContext& context, std::string_view text, std::string_view set, Side side);

/// str.isupper() / str.islower().
bool is_all_case(RenderContext& context, std::string_view text, bool upper);

}  // namespace cairn::jinja
