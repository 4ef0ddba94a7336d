// The functions that every chat template can call: range, dict, namespace, raise_exception, strftime_now.
#pragma once

#include <string_view>

#include "model/chat_template/arguments.h"
#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

struct Function {
  std::string_view name;
  Value (*call)(RenderContext& context, const CallArguments& arguments);
};

/// The function of that name, or null.
const Function* find_global(std::string_view name);

}  // namespace cairn::jinja
