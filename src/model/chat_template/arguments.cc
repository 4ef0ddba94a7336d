#include "model/chat_template/arguments.h"

#include <algorithm>

namespace cairn::jinja {

BoundArguments::BoundArguments(RenderContext& context, std::string_view function, const CallArguments& arguments,
                               std::initializer_list<std::string_view> parameters, std::size_t required)
    : context_(context), function_(function) {
  std::copy(parameters.begin(), parameters.end(), names_.begin());
  if (arguments.positional.size() > parameters.size()) {
    context.fail("{}() takes at most {} arguments ({} given)", function, parameters.size(),
                 arguments.positional.size());
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    auto found = std::find(parameters.begin(), parameters.end(), name);
    if (found == parameters.end()) context.fail("{}() got an unexpected keyword argument '{}'", function, name);
    auto parameter = static_cast<std::size_t>(found - parameters.begin());
    if (values_[parameter]) context.fail("{}() got multiple values for argument '{}'", function, name);
    values_[parameter] = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!values_[i]) context.fail("{}() missing required argument '{}'", function, names_[i]);
  }
}

const Value* BoundArguments::find_set(std::size_t parameter) const {
  const Value* value = values_[parameter];
  return value && !is_none(*value) ? value : nullptr;
}

bool BoundArguments::flag(std::size_t parameter, bool fallback) const {
  return values_[parameter] ? is_true(*values_[parameter]) : fallback;
}

std::int64_t BoundArguments::integer(std::size_t parameter, std::int64_t fallback) const {
  if (!values_[parameter]) return fallback;
  std::int64_t result = 0;
  if (to_integer(*values_[parameter], result)) return result;
  context_.fail("{}(): '{}' must be an integer, not {}", function_, names_[parameter], type_name(*values_[parameter]));
}

std::string_view BoundArguments::text(std::size_t parameter, std::string_view fallback) const {
  if (!values_[parameter]) return fallback;
  if (const Text* text = as_text(*values_[parameter])) return text->text;
  context_.fail("{}(): '{}' must be str, not {}", function_, names_[parameter], type_name(*values_[parameter]));
}

bool to_integer(const Value& value, std::int64_t& out) {
  if (const bool* boolean = std::get_if<bool>(&value)) {
    out = *boolean;
    return true;
  }
  const std::int64_t* integer = std::get_if<std::int64_t>(&value);
  if (integer) out = *integer;
  return integer != nullptr;
}

}  // namespace cairn::jinja
