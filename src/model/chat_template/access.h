// object.name, object[key] and object[start:stop:step].
#pragma once

#include <string_view>

#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

/// `object.name`: an attribute or method first, then the key `name`. Undefined when there is neither; fails on an
/// undefined object.
Value get_attribute(RenderContext& context, const Value& object, std::string_view name);

/// `object[key]`: the key or position first, then an attribute of that name.
Value get_item(RenderContext& context, const Value& object, const Value& key);

/// `object[start:stop:step]` of text, a list or a tuple; none stands for an omitted bound.
Value get_slice(RenderContext& context, const Value& object, const Value& start, const Value& stop, const Value& step);

/// Follows a dotted path as the filters' `attribute` argument does: "function.name", "0.id", or an integer. `fallback`,
/// when given, stands in for a part that is undefined.
Value follow_path(RenderContext& context, const Value& object, const Value& path, const Value* fallback = nullptr);

}  // namespace cairn::jinja
