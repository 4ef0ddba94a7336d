// Python's two ways of formatting text: "%s is %d" % values and "{} is {:d}".format(values).
#pragma once

#include <string>
#include <string_view>

#include "model/chat_template/arguments.h"
#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

/// `format % operand`: a tuple gives one value for each conversion, a dict serves %(name)s, any other value serves the
/// only conversion. Conversions: s r d i u f F e E g G x X o c %, with flags, width and precision.
std::string percent_format(RenderContext& context, std::string_view format, const Value& operand);

/// `format.format(…)`: fields {} {0} {name} with !r !s and a format specification of fill, alignment, sign, 0, width,
/// comma, precision and type. Attribute and index look-ups inside a field are unsupported.
std::string brace_format(RenderContext& context, std::string_view format, const CallArguments& arguments);

}  // namespace cairn::jinja
