// Methods of text, dicts, lists and the loop variable.
#pragma once

#include <span>
#include <string_view>

#include "model/chat_template/arguments.h"
#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

struct Method {
  std::string_view name;
  Value (*call)(RenderContext& context, const Value& self, const CallArguments& arguments);
};

std::span<const Method> text_methods();
std::span<const Method> dict_methods();
std::span<const Method> list_methods();
std::span<const Method> loop_methods();

/// The methods of the value's type; empty when it has none.
std::span<const Method> methods_of(const Value& value);

/// Whether `name` is a method of Python's that would change the value, which the sandbox forbids.
bool is_mutating_method(const Value& value, std::string_view name);

}  // namespace cairn::jinja
