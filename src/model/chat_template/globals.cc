#include "model/chat_template/globals.h"

#include <algorithm>
#include <ctime>

#include "base/text.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/printing.h"

namespace cairn::jinja {

namespace {

constexpr std::int64_t kMaxRange = 100'000;  // as jinja2's sandbox

Value range(RenderContext& context, const CallArguments& arguments) {
  BoundArguments bound(context, "range", arguments, {"start", "stop", "step"}, 1);
  bool one = bound.find(1) == nullptr;
  std::int64_t start = one ? 0 : bound.integer(0, 0);
  std::int64_t stop = one ? bound.integer(0, 0) : bound.integer(1, 0);
  std::int64_t step = bound.integer(2, 1);
  if (step == 0) context.fail("range() arg 3 must not be zero");
  __extension__ using Wide = __int128;
  Wide distance = step > 0 ? Wide{stop} - start : Wide{start} - stop;
  Wide stride = step > 0 ? Wide{step} : -Wide{step};
  Wide count = distance > 0 ? (distance + stride - 1) / stride : 0;
  if (count > kMaxRange) {
    context.fail_with(ErrorKind::resource_exhausted, fmt::format("a range of more than {} items", kMaxRange));
  }
  context.require_memory(static_cast<std::int64_t>(count) * static_cast<std::int64_t>(sizeof(Value)));
  std::vector<Value> items;
  for (std::int64_t i = 0; i < count; ++i) items.push_back(static_cast<std::int64_t>(start + Wide{i} * step));
  Value value = context.sequence(SequenceKind::range, std::move(items));
  as_sequence(value)->bounds = {start, stop, step};
  return value;
}

std::vector<std::pair<Value, Value>> dict_entries(RenderContext& context, std::string_view function,
                                                  const CallArguments& arguments) {
  if (arguments.positional.size() > 1) context.fail("{}() takes at most one positional argument", function);
  std::vector<std::pair<Value, Value>> entries;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (const Dict* dict = as_dict(source)) {
      entries = dict->entries;
    } else {
      for (const Value& item : iterate(context, source)) {
        std::span<const Value> pair = iterate(context, item);
        if (pair.size() != 2) context.fail("{}(): each item must be a pair", function);
        assign(context, entries, pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) assign(context, entries, text_value(name), value);
  return entries;
}

Value dict(RenderContext& context, const CallArguments& arguments) {
  return context.dict(dict_entries(context, "dict", arguments));
}

Value name_space(RenderContext& context, const CallArguments& arguments) {
  std::vector<std::pair<std::string_view, Value>> attributes;
  for (const auto& [key, value] : dict_entries(context, "namespace", arguments)) {
    const Text* name = as_text(key);
    if (!name) context.fail("namespace(): attribute names are texts");
    attributes.emplace_back(name->text, value);
  }
  return context.name_space(std::move(attributes));
}

Value raise_exception(RenderContext& context, const CallArguments& arguments) {
  BoundArguments bound(context, "raise_exception", arguments, {"message"}, 1);
  context.fail("{}", to_str(context, bound.value(0)));
}

Value strftime_now(RenderContext& context, const CallArguments& arguments) {
  BoundArguments bound(context, "strftime_now", arguments, {"format"}, 1);
  std::string format(bound.text(0, ""));
  if (format.empty()) return text_value("");
  std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[1024];
  std::size_t size = std::strftime(buffer, sizeof(buffer), format.c_str(), &local);
  if (size == 0) context.fail("strftime_now: the format gives nothing or over {} bytes", sizeof(buffer));
  return context.text(sanitize_utf8({buffer, size}));
}

constexpr Function kFunctions[] = {
    {"range", range},
    {"dict", dict},
    {"namespace", name_space},
    {"raise_exception", raise_exception},
    {"strftime_now", strftime_now},
};

}  // namespace

const Function* find_global(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                                   [name](const Function& function) { return function.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

}  // namespace cairn::jinja
