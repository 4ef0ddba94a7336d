#include <algorithm>

#include "model/chat_template/access.h"
#include "model/chat_template/filters.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/predicates.h"

namespace cairn::jinja {

namespace {

// The items of `input`. A false value of any type has none, even one that cannot be iterated, such as none.
std::span<const Value> items_of(RenderContext& context, const Value& input) {
  return is_true(input) ? iterate(context, input) : std::span<const Value>();
}

// Arguments after the first `skip`, with their names.
CallArguments rest_of(const CallArguments& arguments, std::size_t skip) {
  CallArguments rest;
  auto from = static_cast<std::ptrdiff_t>(std::min(skip, arguments.positional.size()));
  rest.positional.assign(arguments.positional.begin() + from, arguments.positional.end());
  rest.named = arguments.named;
  return rest;
}

std::string_view name_argument(RenderContext& context, std::string_view filter, const CallArguments& arguments,
                               std::size_t index) {
  const Text* text = index < arguments.positional.size() ? as_text(arguments.positional[index]) : nullptr;
  if (!text) context.fail("{}: argument {} must be a name", filter, index + 1);
  return text->text;
}

Value map_attribute(RenderContext& context, std::span<const Value> items, const CallArguments& arguments) {
  const Value* path = nullptr;
  const Value* fallback = nullptr;
  for (const auto& [name, value] : arguments.named) {
    if (name == "attribute") {
      path = &value;
    } else if (name == "default") {
      fallback = &value;
    } else {
      context.fail("map: unexpected keyword argument '{}'", name);
    }
  }
  if (!path) context.fail("map requires a filter argument");
  if (fallback && is_none(*fallback)) fallback = nullptr;
  std::vector<Value> mapped;
  for (const Value& item : items) mapped.push_back(follow_path(context, item, *path, fallback));
  return context.generator(std::move(mapped));
}

Value map(RenderContext& context, const Value& input, const CallArguments& arguments) {
  std::span<const Value> items = items_of(context, input);
  if (arguments.positional.empty()) return map_attribute(context, items, arguments);
  std::string_view name = name_argument(context, "map", arguments, 0);
  const Filter* filter = find_filter(name);
  if (!filter) context.fail("No filter named '{}'.", name);
  CallArguments rest = rest_of(arguments, 1);
  DepthGuard depth(context);
  std::vector<Value> mapped;
  for (const Value& item : items) mapped.push_back(filter->call(context, item, rest));
  return context.generator(std::move(mapped));
}

// The items for which the test named by argument `test_index` (truth, when there is none) answers `wanted`.
Value filter_items(RenderContext& context, std::string_view filter, const Value& input, const CallArguments& arguments,
                   const Value* path, bool wanted) {
  std::size_t test_index = path ? 1 : 0;
  const Predicate* predicate = nullptr;
  if (arguments.positional.size() > test_index) {
    std::string_view name = name_argument(context, filter, arguments, test_index);
    predicate = find_predicate(name);
    if (!predicate) context.fail("No test named '{}'.", name);
  }
  CallArguments rest = rest_of(arguments, test_index + 1);
  std::vector<Value> kept;
  for (const Value& item : items_of(context, input)) {
    Value subject = path ? follow_path(context, item, *path) : item;
    bool holds = predicate ? predicate->holds(context, subject, rest) : is_true(subject);
    if (holds == wanted) kept.push_back(item);
  }
  return context.generator(std::move(kept));
}

template <bool wanted>
Value select(RenderContext& context, const Value& input, const CallArguments& arguments) {
  return filter_items(context, wanted ? "select" : "reject", input, arguments, nullptr, wanted);
}

template <bool wanted>
Value select_attribute(RenderContext& context, const Value& input, const CallArguments& arguments) {
  std::string_view name = wanted ? "selectattr" : "rejectattr";
  if (arguments.positional.empty()) context.fail("{}: missing parameter: attribute name", name);
  return filter_items(context, name, input, arguments, &arguments.positional[0], wanted);
}

constexpr Filter kFilters[] = {
    {"map", map},
    {"select", select<true>},
    {"reject", select<false>},
    {"selectattr", select_attribute<true>},
    {"rejectattr", select_attribute<false>},
};

}  // namespace

std::span<const Filter> selection_filters() { return kFilters; }

}  // namespace cairn::jinja
