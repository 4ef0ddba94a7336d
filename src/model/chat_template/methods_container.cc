#include "model/chat_template/iteration.h"
#include "model/chat_template/methods.h"
#include "model/chat_template/operators.h"

namespace cairn::jinja {

namespace {

Value view(RenderContext& context, std::string_view name, std::vector<Value> items) {
  Value value = context.sequence(SequenceKind::view, std::move(items));
  as_sequence(value)->view_name = name;
  return value;
}

Value dict_get(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "get", arguments, {"key", "default"}, 1);
  const Value* found = find(context, *as_dict(self), bound.value(0));
  if (found) return *found;
  return bound.find(1) ? bound.value(1) : Value(None{});
}

Value dict_items(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "items", arguments, {});
  std::vector<Value> items;
  for (const auto& [key, value] : as_dict(self)->entries) items.push_back(context.tuple({key, value}));
  return view(context, "dict_items", std::move(items));
}

Value dict_keys(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "keys", arguments, {});
  std::vector<Value> items;
  for (const auto& entry : as_dict(self)->entries) items.push_back(entry.first);
  return view(context, "dict_keys", std::move(items));
}

Value dict_values(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "values", arguments, {});
  std::vector<Value> items;
  for (const auto& entry : as_dict(self)->entries) items.push_back(entry.second);
  return view(context, "dict_values", std::move(items));
}

Value dict_copy(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "copy", arguments, {});
  return context.dict(as_dict(self)->entries);
}

Value list_count(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "count", arguments, {"value"}, 1);
  std::int64_t count = 0;
  for (const Value& item : as_sequence(self)->items) count += equals(context, item, bound.value(0));
  return count;
}

Value list_index(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "index", arguments, {"value"}, 1);
  const std::vector<Value>& items = as_sequence(self)->items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (equals(context, items[i], bound.value(0))) return static_cast<std::int64_t>(i);
  }
  context.fail("index(): the value is not in the list");
}

Value list_copy(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "copy", arguments, {});
  return context.sequence(as_sequence(self)->kind, as_sequence(self)->items);
}

Value loop_cycle(RenderContext& context, const Value& self, const CallArguments& arguments) {
  if (arguments.positional.empty()) context.fail("cycle() needs at least one item");
  auto index = static_cast<std::size_t>(std::get<Loop*>(self)->index);
  return arguments.positional[index % arguments.positional.size()];
}

Value loop_changed(RenderContext& context, const Value& self, const CallArguments& arguments) {
  Loop& loop = *std::get<Loop*>(self);
  bool same = loop.changed_called && loop.last_changed.size() == arguments.positional.size();
  for (std::size_t i = 0; same && i < loop.last_changed.size(); ++i) {
    same = equals(context, loop.last_changed[i], arguments.positional[i]);
  }
  loop.changed_called = true;
  loop.last_changed = arguments.positional;
  return !same;
}

constexpr Method kDictMethods[] = {
    {"get", dict_get}, {"items", dict_items}, {"keys", dict_keys}, {"values", dict_values}, {"copy", dict_copy},
};
constexpr Method kListMethods[] = {{"count", list_count}, {"index", list_index}, {"copy", list_copy}};
constexpr Method kLoopMethods[] = {{"cycle", loop_cycle}, {"changed", loop_changed}};

}  // namespace

std::span<const Method> dict_methods() { return kDictMethods; }
std::span<const Method> list_methods() { return kListMethods; }
std::span<const Method> loop_methods() { return kLoopMethods; }

}  // namespace cairn::jinja
