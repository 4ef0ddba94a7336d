#include "model/chat_template/globals.h"
#include "model/chat_template/interpreter.h"
#include "model/chat_template/iteration.h"

namespace cairn::jinja {

Value Interpreter::look_up(std::string_view name) {
  for (const Scope* scope = scope_; scope; scope = scope->parent) {
    context_.charge(static_cast<std::int64_t>(scope->names.size()));
    for (const auto& [key, value] : scope->names) {
      if (key == name) return value;
    }
  }
  if (const Function* function = find_global(name)) return function;
  return context_.undefined("'{}' is undefined", name);
}

void Interpreter::assign_name(std::string_view name, const Value& value) {
  for (auto& [key, old] : scope_->names) {
    if (key != name) continue;
    old = value;
    return;
  }
  scope_->names.emplace_back(name, value);
}

void Interpreter::assign_attribute(const Target& target, const Value& value) {
  Value object = look_up(target.name);
  Namespace* const* space = std::get_if<Namespace*>(&object);
  if (!space) context_.fail("cannot assign attribute '{}': '{}' is not a namespace", target.attribute, target.name);
  for (auto& [key, old] : (*space)->attributes) {
    if (key != target.attribute) continue;
    old = value;
    return;
  }
  (*space)->attributes.emplace_back(target.attribute, value);
}

void Interpreter::assign_target(const Target& target, const Value& value) {
  if (target.parts.empty()) {
    return target.attribute.empty() ? assign_name(target.name, value) : assign_attribute(target, value);
  }
  if (const Undefined* undefined = std::get_if<Undefined>(&value)) context_.fail("{}", undefined->message);
  std::span<const Value> items = iterate(context_, value);
  if (items.size() < target.parts.size()) {
    context_.fail("not enough values to unpack (expected {}, got {})", target.parts.size(), items.size());
  }
  if (items.size() > target.parts.size()) context_.fail("too many values to unpack (expected {})", target.parts.size());
  for (std::size_t i = 0; i < items.size(); ++i) assign_target(target.parts[i], items[i]);
}

}  // namespace cairn::jinja
