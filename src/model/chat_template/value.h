// The values a chat template computes with: Python's, as far as templates can see them.
//
// Values are small and trivially copied. Text and containers live in the RenderContext, the template or the caller's
// variables, all of which outlive the rendering, so nothing is counted or owned here, and a hostile chain of containers
// costs no recursion to release. Containers are immutable once built, as in Hugging Face's immutable sandbox; only
// namespaces change.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cairn::jinja {

struct Sequence;
struct Dict;
struct Namespace;
struct Loop;
struct Macro;
struct BoundMethod;
struct Function;

/// A name, key or attribute that is not there. Prints as nothing; using it further fails with `message`.
struct Undefined {
  std::string_view message;
};

struct None {};

/// UTF-8 text. `safe` marks text that is already escaped for HTML (the filters safe and escape).
struct Text {
  std::string_view text;
  bool safe = false;
};

/// Integers are 64-bit with checked arithmetic. The uint64_t alternative holds only values above INT64_MAX, which occur
/// as bounds in tool schemas: they print and compare, but take no part in arithmetic.
using Value = std::variant<Undefined, None, bool, std::int64_t, std::uint64_t, double, Text, Sequence*, Dict*,
                           Namespace*, Loop*, const Macro*, const BoundMethod*, const Function*>;

enum class SequenceKind { list, tuple, range, view, generator };

/// A list, a tuple, a range, a dict view (keys, values, items) or the result of a lazy filter. A generator is always
/// true, has no length and yields its items once.
struct Sequence {
  SequenceKind kind = SequenceKind::list;
  std::vector<Value> items;
  std::string_view view_name;               // of a view: "dict_items"
  std::array<std::int64_t, 3> bounds = {};  // of a range: start, stop, step
  bool consumed = false;                    // of a generator
};

/// Insertion-ordered, as Python's.
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
};

struct Namespace {
  std::vector<std::pair<std::string_view, Value>> attributes;
};

/// The `loop` variable of a running for statement.
struct Loop {
  const std::vector<Value>* items = nullptr;
  std::int64_t index = 0;           // from 0
  std::vector<Value> last_changed;  // arguments of the last loop.changed()
  bool changed_called = false;
};

inline bool is_undefined(const Value& value) { return std::holds_alternative<Undefined>(value); }
inline bool is_none(const Value& value) { return std::holds_alternative<None>(value); }

/// The text of a string value, or null.
inline const Text* as_text(const Value& value) { return std::get_if<Text>(&value); }

inline Sequence* as_sequence(const Value& value) {
  Sequence* const* sequence = std::get_if<Sequence*>(&value);
  return sequence ? *sequence : nullptr;
}

inline Dict* as_dict(const Value& value) {
  Dict* const* dict = std::get_if<Dict*>(&value);
  return dict ? *dict : nullptr;
}

inline Value text_value(std::string_view text) { return Text{text, false}; }

/// Python's name of the value's type, e.g. "str", "NoneType".
std::string_view type_name(const Value& value);

/// Python's truth of a value: empty, zero, none and undefined are false; a generator is true.
bool is_true(const Value& value);

}  // namespace cairn::jinja
