// Python's str() and repr().
#pragma once

#include <string>

#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

/// Appends str(value): what {{ value }} prints. An undefined value prints as nothing.
void append_str(RenderContext& context, std::string& out, const Value& value);
/// Appends repr(value): how a value prints inside a list.
void append_repr(RenderContext& context, std::string& out, const Value& value);

std::string to_str(RenderContext& context, const Value& value);

/// repr() of a float: the shortest digits that read back as the same number, "1.0", "1e+16", "nan", "inf".
std::string float_repr(double value);

}  // namespace cairn::jinja
