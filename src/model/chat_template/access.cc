#include "model/chat_template/access.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "model/chat_template/ast.h"
#include "model/chat_template/methods.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/printing.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

// How messages name an object: "None", "'x' is undefined" aside, "dict object".
std::string describe(const Value& value) {
  return is_none(value) ? "None" : fmt::format("{} object", type_name(value));
}

Value neighbour(RenderContext& context, const Loop& loop, std::int64_t index, std::string_view which) {
  if (index >= 0 && index < static_cast<std::int64_t>(loop.items->size())) {
    return (*loop.items)[static_cast<std::size_t>(index)];
  }
  return context.undefined("there is no {} item", which);
}

std::optional<Value> loop_attribute(RenderContext& context, const Loop& loop, std::string_view name) {
  auto size = static_cast<std::int64_t>(loop.items->size());
  if (name == "index") return loop.index + 1;
  if (name == "index0") return loop.index;
  if (name == "first") return loop.index == 0;
  if (name == "last") return loop.index == size - 1;
  if (name == "length") return size;
  if (name == "revindex") return size - loop.index;
  if (name == "revindex0") return size - loop.index - 1;
  if (name == "depth") return std::int64_t{1};  // counts recursive loops only
  if (name == "depth0") return std::int64_t{0};
  if (name == "previtem") return neighbour(context, loop, loop.index - 1, "previous");
  if (name == "nextitem") return neighbour(context, loop, loop.index + 1, "next");
  return std::nullopt;
}

std::optional<Value> plain_attribute(RenderContext& context, const Value& object, std::string_view name) {
  if (Loop* const* loop = std::get_if<Loop*>(&object)) return loop_attribute(context, **loop, name);
  if (Namespace* const* space = std::get_if<Namespace*>(&object)) {
    for (const auto& [attribute, value] : (*space)->attributes) {
      if (attribute == name) return value;
    }
  }
  if (const Macro* const* macro = std::get_if<const Macro*>(&object)) {
    if (name == "name") return text_value((*macro)->definition->name);
  }
  return std::nullopt;
}

// Attributes, methods and, for methods that change their object, an undefined value that says so.
std::optional<Value> attribute_or_method(RenderContext& context, const Value& object, std::string_view name) {
  if (std::optional<Value> value = plain_attribute(context, object, name)) return value;
  for (const Method& method : methods_of(object)) {
    if (method.name == name) return context.bound_method(object, &method);
  }
  if (!is_mutating_method(object, name)) return std::nullopt;
  return context.undefined("access to attribute '{}' of '{}' object is unsafe: templates may not change values", name,
                           type_name(object));
}

// The element at `index`, or nothing when there is none.
std::optional<Value> element(RenderContext& context, const Value& object, std::int64_t index) {
  if (const Text* text = as_text(object)) {
    context.charge(static_cast<std::int64_t>(text->text.size()));
    if (index < 0) index += text_length(text->text);
    if (index < 0) return std::nullopt;
    std::size_t start = byte_offset(text->text, index);
    if (start == text->text.size()) return std::nullopt;
    std::size_t end = start;
    next_code_point(text->text, end);
    return Text{text->text.substr(start, end - start), text->safe};
  }
  const Sequence* sequence = as_sequence(object);
  bool indexable = sequence && sequence->kind != SequenceKind::generator && sequence->kind != SequenceKind::view;
  if (!indexable) return std::nullopt;
  auto size = static_cast<std::int64_t>(sequence->items.size());
  if (index < 0) index += size;
  if (index < 0 || index >= size) return std::nullopt;
  return sequence->items[static_cast<std::size_t>(index)];
}

std::optional<Value> item(RenderContext& context, const Value& object, const Value& key) {
  if (const Dict* dict = as_dict(object)) {
    const Value* found = is_hashable(key) ? find(context, *dict, key) : nullptr;
    return found ? std::optional<Value>(*found) : std::nullopt;
  }
  std::int64_t index = 0;
  return to_integer(key, index) ? element(context, object, index) : std::nullopt;
}

void require_defined(RenderContext& context, const Value& object) {
  if (const Undefined* undefined = std::get_if<Undefined>(&object)) context.fail("{}", undefined->message);
}

struct SliceBounds {
  std::int64_t start;
  std::int64_t stop;
  std::int64_t step;
};

std::int64_t bound(RenderContext& context, const Value& value, std::int64_t size, std::int64_t low, std::int64_t high,
                   std::int64_t omitted) {
  if (is_none(value)) return omitted;
  std::int64_t index = 0;
  if (!to_integer(value, index)) {
    require_defined(context, value);
    context.fail("slice indices must be integers or None, not {}", type_name(value));
  }
  if (index < 0) index += size;
  return std::clamp(index, low, high);
}

SliceBounds resolve(RenderContext& context, std::int64_t size, const Value& start, const Value& stop,
                    const Value& step) {
  SliceBounds bounds{0, size, 1};
  if (!is_none(step) && !to_integer(step, bounds.step)) {
    require_defined(context, step);
    context.fail("slice indices must be integers or None, not {}", type_name(step));
  }
  if (bounds.step == 0) context.fail("slice step cannot be zero");
  bool forward = bounds.step > 0;
  std::int64_t low = forward ? 0 : -1;
  std::int64_t high = forward ? size : size - 1;
  bounds.start = bound(context, start, size, low, high, forward ? 0 : size - 1);
  bounds.stop = bound(context, stop, size, low, high, forward ? size : -1);
  bounds.step = std::clamp(bounds.step, -size - 1, size + 1);  // so that stepping cannot overflow
  return bounds;
}

template <typename Take>
void for_each_index(const SliceBounds& bounds, Take take) {
  for (std::int64_t i = bounds.start; bounds.step > 0 ? i < bounds.stop : i > bounds.stop; i += bounds.step) {
    take(static_cast<std::size_t>(i));
  }
}

Value slice_text(RenderContext& context, const Text& text, const Value& start, const Value& stop, const Value& step) {
  std::string_view source = text.text;
  context.charge(static_cast<std::int64_t>(source.size()));
  SliceBounds bounds = resolve(context, text_length(source), start, stop, step);
  if (bounds.step == 1) {
    std::size_t first = byte_offset(source, bounds.start);
    std::int64_t count = std::max<std::int64_t>(bounds.stop - bounds.start, 0);
    std::string_view rest = source.substr(first);
    return Text{rest.substr(0, byte_offset(rest, count)), text.safe};
  }
  context.require_memory(static_cast<std::int64_t>(source.size()) * 9);
  std::vector<std::size_t> offsets;
  for (std::size_t position = 0; position < source.size(); next_code_point(source, position)) {
    offsets.push_back(position);
  }
  std::string out;
  for_each_index(bounds, [&](std::size_t i) {
    std::size_t end = i + 1 < offsets.size() ? offsets[i + 1] : source.size();
    out += source.substr(offsets[i], end - offsets[i]);
  });
  return context.text(std::move(out), text.safe);
}

}  // namespace

Value get_attribute(RenderContext& context, const Value& object, std::string_view name) {
  require_defined(context, object);
  if (std::optional<Value> value = attribute_or_method(context, object, name)) return *value;
  if (std::optional<Value> value = item(context, object, text_value(name))) return *value;
  return context.undefined("'{}' has no attribute '{}'", describe(object), name);
}

Value get_item(RenderContext& context, const Value& object, const Value& key) {
  require_defined(context, object);
  if (std::optional<Value> value = item(context, object, key)) return *value;
  if (const Text* name = as_text(key)) {
    if (std::optional<Value> value = attribute_or_method(context, object, name->text)) return *value;
    return context.undefined("'{}' has no attribute '{}'", describe(object), name->text);
  }
  return context.undefined("{} has no element {}", describe(object), to_str(context, key));
}

Value get_slice(RenderContext& context, const Value& object, const Value& start, const Value& stop, const Value& step) {
  require_defined(context, object);
  if (const Text* text = as_text(object)) return slice_text(context, *text, start, stop, step);
  const Sequence* sequence = as_sequence(object);
  bool sliceable = sequence && sequence->kind != SequenceKind::generator && sequence->kind != SequenceKind::view;
  if (!sliceable) return context.undefined("{} cannot be sliced", describe(object));
  SliceBounds bounds = resolve(context, static_cast<std::int64_t>(sequence->items.size()), start, stop, step);
  std::vector<Value> items;
  for_each_index(bounds, [&](std::size_t i) { items.push_back(sequence->items[i]); });
  SequenceKind kind = sequence->kind == SequenceKind::tuple ? SequenceKind::tuple : SequenceKind::list;
  return context.sequence(kind, std::move(items));
}

Value follow_path(RenderContext& context, const Value& object, const Value& path, const Value* fallback) {
  auto step = [&](const Value& from, const Value& key) {
    Value value = get_item(context, from, key);
    return fallback && is_undefined(value) ? *fallback : value;
  };
  const Text* text = as_text(path);
  if (!text) return step(object, path);
  Value current = object;
  std::string_view rest = text->text;
  while (true) {
    std::size_t dot = std::min(rest.find('.'), rest.size());
    std::string_view part = rest.substr(0, dot);
    std::int64_t index = 0;
    auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
    bool number = !part.empty() && part[0] != '-' && error == std::errc() && end == part.data() + part.size();
    current = step(current, number ? Value(index) : text_value(part));
    if (dot == rest.size()) return current;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace cairn::jinja
