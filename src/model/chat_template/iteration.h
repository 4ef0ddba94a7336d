// Going through the items of a value.
#pragma once

#include <span>
#include <string_view>

#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

/// The items of a sequence, the keys of a dict, the characters of a text; none for an undefined value. Using up a
/// generator's items, it leaves none for the next time. Fails for anything else. The items stay valid and unchanged.
std::span<const Value> iterate(RenderContext& context, const Value& value);

/// Whether iterate() would accept the value.
bool is_iterable(const Value& value);

/// Python's len(); fails for values without one.
std::int64_t length(RenderContext& context, const Value& value);

}  // namespace cairn::jinja
