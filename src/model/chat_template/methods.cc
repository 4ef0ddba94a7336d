#include "model/chat_template/methods.h"

#include <algorithm>
#include <array>

namespace cairn::jinja {

std::span<const Method> methods_of(const Value& value) {
  if (as_text(value)) return text_methods();
  if (as_dict(value)) return dict_methods();
  if (std::holds_alternative<Loop*>(value)) return loop_methods();
  const Sequence* sequence = as_sequence(value);
  bool list_like = sequence && sequence->kind != SequenceKind::generator && sequence->kind != SequenceKind::view;
  return list_like ? list_methods() : std::span<const Method>();
}

bool is_mutating_method(const Value& value, std::string_view name) {
  constexpr std::array<std::string_view, 8> kOfLists = {"append", "clear",  "extend",  "insert",
                                                        "pop",    "remove", "reverse", "sort"};
  constexpr std::array<std::string_view, 5> kOfDicts = {"clear", "pop", "popitem", "setdefault", "update"};
  auto holds = [name](auto& names) { return std::find(names.begin(), names.end(), name) != names.end(); };
  const Sequence* sequence = as_sequence(value);
  if (sequence) return sequence->kind == SequenceKind::list && holds(kOfLists);
  return as_dict(value) && holds(kOfDicts);
}

}  // namespace cairn::jinja
