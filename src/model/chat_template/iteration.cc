#include "model/chat_template/iteration.h"

#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

std::vector<Value> characters(RenderContext& context, std::string_view text) {
  context.require_memory(text_length(text) * static_cast<std::int64_t>(sizeof(Value)));
  std::vector<Value> items;
  for (std::size_t position = 0; position < text.size();) {
    std::size_t start = position;
    next_code_point(text, position);
    items.push_back(text_value(text.substr(start, position - start)));
  }
  return items;
}

}  // namespace

std::span<const Value> iterate(RenderContext& context, const Value& value) {
  if (Sequence* sequence = as_sequence(value)) {
    if (sequence->consumed) return {};
    sequence->consumed = sequence->kind == SequenceKind::generator;
    return sequence->items;
  }
  if (const Text* text = as_text(value)) {
    return as_sequence(context.list(characters(context, text->text)))->items;
  }
  if (const Dict* dict = as_dict(value)) {
    std::vector<Value> keys;
    for (const auto& entry : dict->entries) keys.push_back(entry.first);
    return as_sequence(context.list(std::move(keys)))->items;
  }
  if (is_undefined(value)) return {};
  context.fail("'{}' object is not iterable", type_name(value));
}

bool is_iterable(const Value& value) {
  return as_sequence(value) || as_text(value) || as_dict(value) || is_undefined(value);
}

std::int64_t length(RenderContext& context, const Value& value) {
  if (const Text* text = as_text(value)) {
    context.charge(static_cast<std::int64_t>(text->text.size()));
    return text_length(text->text);
  }
  if (const Dict* dict = as_dict(value)) return static_cast<std::int64_t>(dict->entries.size());
  if (is_undefined(value)) return 0;
  const Sequence* sequence = as_sequence(value);
  if (sequence && sequence->kind != SequenceKind::generator) return static_cast<std::int64_t>(sequence->items.size());
  if (Loop* const* loop = std::get_if<Loop*>(&value)) return static_cast<std::int64_t>((*loop)->items->size());
  context.fail("object of type '{}' has no len()", type_name(value));
}

}  // namespace cairn::jinja
