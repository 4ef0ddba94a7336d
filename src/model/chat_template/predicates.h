// The tests: {{ value is name(arguments) }}.
#pragma once

#include <string_view>

#include "model/chat_template/arguments.h"
#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

struct Predicate {
  std::string_view name;
  bool (*holds)(RenderContext& context, const Value& value, const CallArguments& arguments);
};

/// The test of that name, or null.
const Predicate* find_predicate(std::string_view name);

}  // namespace cairn::jinja
