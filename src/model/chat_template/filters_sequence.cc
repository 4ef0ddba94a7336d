#include "model/chat_template/access.h"
#include "model/chat_template/filters.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/printing.h"

namespace cairn::jinja {

namespace {

Value length_filter(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "length", arguments, {});
  return length(context, input);
}

Value first(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "first", arguments, {});
  std::span<const Value> items = iterate(context, input);
  return items.empty() ? context.undefined("No first item, sequence was empty.") : items.front();
}

Value last(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "last", arguments, {});
  std::span<const Value> items = iterate(context, input);
  return items.empty() ? context.undefined("No last item, sequence was empty.") : items.back();
}

Value to_list(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "list", arguments, {});
  std::span<const Value> items = iterate(context, input);
  return context.list({items.begin(), items.end()});
}

Value join(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "join", arguments, {"d", "attribute"});
  std::string separator = bound.find(0) ? to_str(context, bound.value(0)) : std::string();
  const Value* path = bound.find_set(1);
  std::string out;
  bool any = false;
  for (const Value& item : iterate(context, input)) {
    context.require_memory(static_cast<std::int64_t>(out.size() + separator.size()));
    if (any) out += separator;
    any = true;
    append_str(context, out, path ? follow_path(context, item, *path) : item);
  }
  return context.text(std::move(out));
}

Value items_of(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "items", arguments, {});
  if (is_undefined(input)) return context.generator({});
  const Dict* dict = as_dict(input);
  if (!dict) context.fail("Can only get item pairs from a mapping.");
  std::vector<Value> pairs;
  for (const auto& [key, value] : dict->entries) pairs.push_back(context.tuple({key, value}));
  return context.generator(std::move(pairs));
}

Value reverse(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "reverse", arguments, {});
  if (as_text(input)) return get_slice(context, input, None{}, None{}, std::int64_t{-1});
  std::span<const Value> items = iterate(context, input);
  return context.generator({items.rbegin(), items.rend()});
}

Value batch(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "batch", arguments, {"linecount", "fill_with"}, 1);
  std::int64_t size = bound.integer(0, 0);
  if (size < 1) context.fail("batch: the line count must be at least 1, not {}", size);
  std::vector<Value> lines;
  std::vector<Value> line;
  for (const Value& item : iterate(context, input)) {
    if (static_cast<std::int64_t>(line.size()) == size) lines.push_back(context.list(std::exchange(line, {})));
    line.push_back(item);
  }
  if (const Value* fill = line.empty() ? nullptr : bound.find_set(1)) {
    context.require_memory(size);  // before the product, which could overflow
    context.require_memory(size * static_cast<std::int64_t>(sizeof(Value)));
    line.resize(static_cast<std::size_t>(size), *fill);
  }
  if (!line.empty()) lines.push_back(context.list(std::move(line)));
  return context.generator(std::move(lines));
}

Value default_filter(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "default", arguments, {"default_value", "boolean"});
  bool replace = is_undefined(input) || (bound.flag(1, false) && !is_true(input));
  if (!replace) return input;
  return bound.find(0) ? bound.value(0) : text_value("");
}

Value attribute(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "attr", arguments, {"name"}, 1);
  Value value = get_attribute(context, input, bound.text(0, ""));
  const Dict* dict = as_dict(input);
  bool is_key = dict && !std::holds_alternative<const BoundMethod*>(value);
  return is_key ? context.undefined("'dict object' has no attribute '{}'", bound.text(0, "")) : value;
}

constexpr Filter kFilters[] = {
    {"length", length_filter}, {"count", length_filter},
    {"first", first},          {"last", last},
    {"list", to_list},         {"join", join},
    {"items", items_of},       {"reverse", reverse},
    {"batch", batch},          {"default", default_filter},
    {"d", default_filter},     {"attr", attribute},
};

}  // namespace

std::span<const Filter> sequence_filters() { return kFilters; }

}  // namespace cairn::jinja
