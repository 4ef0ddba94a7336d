// Numbers as text, by the rules that Python's two formatting languages share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

/// What stands between "%" and the type, or after ":" in a replacement field.
struct FormatSpec {
  std::string_view fill = " ";
  char align = 0;   // '<', '>', '^', '=' or 0 for the type's own
  char sign = '-';  // '-', '+' or ' '
  bool alternate = false;
  bool comma = false;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = 0;
};

/// The digits of `value` in spec's type (d x X o b c, or 0 for decimal), padded.
std::string format_integer(RenderContext& context, const FormatSpec& spec, std::int64_t value);
/// The digits of `value` in spec's type (f F e E g G %, or 0 for repr's), padded.
std::string format_real(RenderContext& context, const FormatSpec& spec, double value);
/// `text` cut to the precision and padded.
std::string format_text(RenderContext& context, const FormatSpec& spec, std::string_view text);

/// Reads digits at `position`; fails beyond what a width may be.
std::int64_t read_size(RenderContext& context, std::string_view format, std::size_t& position);

}  // namespace cairn::jinja
