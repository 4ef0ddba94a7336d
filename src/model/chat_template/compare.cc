#include <algorithm>
#include <cmath>
#include <compare>

#include "model/chat_template/iteration.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

bool is_number(const Value& value) {
  return std::holds_alternative<bool>(value) || std::holds_alternative<std::int64_t>(value) ||
         std::holds_alternative<std::uint64_t>(value) || std::holds_alternative<double>(value);
}

// Exact even where a double cannot hold the integer.
std::partial_ordering compare_integer(std::int64_t integer, double real) {
  if (std::isnan(real)) return std::partial_ordering::unordered;
  if (real >= 0x1p63) return std::partial_ordering::less;
  if (real < -0x1p63) return std::partial_ordering::greater;
  auto truncated = static_cast<std::int64_t>(real);
  if (integer != truncated) return integer <=> truncated;
  return 0.0 <=> (real - static_cast<double>(truncated));
}

std::partial_ordering compare_large(std::uint64_t integer, double real) {
  if (std::isnan(real)) return std::partial_ordering::unordered;
  if (real >= 0x1p64) return std::partial_ordering::less;
  if (real < 0x1p63) return std::partial_ordering::greater;
  return integer <=> static_cast<std::uint64_t>(real);
}

std::int64_t as_integer(const Value& value) {
  const bool* boolean = std::get_if<bool>(&value);
  return boolean ? static_cast<std::int64_t>(*boolean) : std::get<std::int64_t>(value);
}

std::partial_ordering reverse(std::partial_ordering order) { return 0 <=> order; }

std::partial_ordering compare_numbers(const Value& left, const Value& right) {
  const double* left_real = std::get_if<double>(&left);
  const double* right_real = std::get_if<double>(&right);
  if (left_real && right_real) return *left_real <=> *right_real;
  if (left_real) return reverse(compare_numbers(right, left));
  const std::uint64_t* left_large = std::get_if<std::uint64_t>(&left);
  const std::uint64_t* right_large = std::get_if<std::uint64_t>(&right);
  if (right_real) {
    return left_large ? compare_large(*left_large, *right_real) : compare_integer(as_integer(left), *right_real);
  }
  if (left_large && right_large) return *left_large <=> *right_large;
  if (left_large) return std::partial_ordering::greater;
  if (right_large) return std::partial_ordering::less;
  return as_integer(left) <=> as_integer(right);
}

bool same_sequence_type(const Sequence& left, const Sequence& right) {
  return left.kind == right.kind && left.kind != SequenceKind::generator;
}

bool equal_sequences(RenderContext& context, const Sequence& left, const Sequence& right) {
  if (&left == &right) return true;
  if (!same_sequence_type(left, right) || left.items.size() != right.items.size()) return false;
  for (std::size_t i = 0; i < left.items.size(); ++i) {
    if (!equals(context, left.items[i], right.items[i])) return false;
  }
  return true;
}

bool equal_dicts(RenderContext& context, const Dict& left, const Dict& right) {
  if (&left == &right) return true;
  if (left.entries.size() != right.entries.size()) return false;
  for (const auto& [key, value] : left.entries) {
    const Value* other = find(context, right, key);
    if (!other || !equals(context, value, *other)) return false;
  }
  return true;
}

bool identical(const Value& left, const Value& right) {
  return std::visit(
      []<typename L, typename R>(const L& a, const R& b) {
        if constexpr (std::is_same_v<L, R> && std::is_pointer_v<L>) {
          return a == b;
        } else {
          return false;
        }
      },
      left, right);
}

[[noreturn]] void no_order(RenderContext& context, ComparisonOperator op, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (const Undefined* undefined = std::get_if<Undefined>(value)) context.fail("{}", undefined->message);
  }
  context.fail("'{}' not supported between instances of '{}' and '{}'", spelling(op), type_name(left),
               type_name(right));
}

bool ordered(ComparisonOperator op, std::partial_ordering order) {
  switch (op) {
    case ComparisonOperator::less:
      return order < 0;
    case ComparisonOperator::less_equal:
      return order <= 0;
    case ComparisonOperator::greater:
      return order > 0;
    default:
      return order >= 0;
  }
}

bool compare_order(RenderContext& context, ComparisonOperator op, const Value& left, const Value& right) {
  DepthGuard depth(context);
  if (is_number(left) && is_number(right)) return ordered(op, compare_numbers(left, right));
  const Text* left_text = as_text(left);
  const Text* right_text = as_text(right);
  if (left_text && right_text) {
    context.charge(static_cast<std::int64_t>(std::min(left_text->text.size(), right_text->text.size())));
    return ordered(op, left_text->text.compare(right_text->text) <=> 0);  // UTF-8 sorts as its code points
  }
  const Sequence* a = as_sequence(left);
  const Sequence* b = as_sequence(right);
  bool comparable =
      a && b && same_sequence_type(*a, *b) && (a->kind == SequenceKind::list || a->kind == SequenceKind::tuple);
  if (!comparable) no_order(context, op, left, right);
  std::size_t common = std::min(a->items.size(), b->items.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (!equals(context, a->items[i], b->items[i])) return compare_order(context, op, a->items[i], b->items[i]);
  }
  return ordered(op, a->items.size() <=> b->items.size());
}

}  // namespace

std::string_view spelling(ComparisonOperator op) {
  constexpr std::string_view kSpellings[] = {"==", "!=", "<", "<=", ">", ">=", "in", "not in"};
  return kSpellings[static_cast<std::size_t>(op)];
}

bool equals(RenderContext& context, const Value& left, const Value& right) {
  context.charge(RenderContext::kStep);
  if (is_number(left) && is_number(right)) return compare_numbers(left, right) == 0;
  if (left.index() != right.index()) return false;
  if (is_undefined(left) || is_none(left)) return true;
  if (const Text* text = as_text(left)) {
    const Text* other = as_text(right);
    if (text->text.size() != other->text.size()) return false;
    context.charge(static_cast<std::int64_t>(text->text.size()));
    return text->text == other->text;
  }
  DepthGuard depth(context);
  if (const Sequence* sequence = as_sequence(left)) return equal_sequences(context, *sequence, *as_sequence(right));
  if (const Dict* dict = as_dict(left)) return equal_dicts(context, *dict, *as_dict(right));
  return identical(left, right);
}

bool less(RenderContext& context, const Value& left, const Value& right) {
  return compare_order(context, ComparisonOperator::less, left, right);
}

bool contains(RenderContext& context, const Value& container, const Value& item) {
  if (const Text* text = as_text(container)) {
    const Text* part = as_text(item);
    if (!part) {
      if (const Undefined* undefined = std::get_if<Undefined>(&item)) context.fail("{}", undefined->message);
      context.fail("'in <string>' requires string as left operand, not {}", type_name(item));
    }
    context.charge(static_cast<std::int64_t>(text->text.size()));
    return find_text(text->text, part->text) != std::string_view::npos;
  }
  if (const Dict* dict = as_dict(container)) return find(context, *dict, item) != nullptr;
  for (const Value& value : iterate(context, container)) {
    if (identical(value, item) || equals(context, value, item)) return true;
  }
  return false;
}

bool compare(RenderContext& context, ComparisonOperator op, const Value& left, const Value& right) {
  switch (op) {
    case ComparisonOperator::equal:
      return equals(context, left, right);
    case ComparisonOperator::not_equal:
      return !equals(context, left, right);
    case ComparisonOperator::in:
      return contains(context, right, left);
    case ComparisonOperator::not_in:
      return !contains(context, right, left);
    default:
      return compare_order(context, op, left, right);
  }
}

bool is_hashable(const Value& value) {
  if (as_dict(value)) return false;
  const Sequence* sequence = as_sequence(value);
  if (!sequence) return true;
  if (sequence->kind != SequenceKind::tuple) return sequence->kind != SequenceKind::list;
  // Tuples of tuples nest as deep as their literals, so this recursion is bounded; an unhashable part decides.
  return std::none_of(sequence->items.begin(), sequence->items.end(), [](const Value& item) {
    const Sequence* part = as_sequence(item);
    return as_dict(item) || (part && part->kind == SequenceKind::list);
  });
}

const Value* find(RenderContext& context, const Dict& dict, const Value& key) {
  if (!is_hashable(key)) context.fail("unhashable type: '{}'", type_name(key));
  context.charge(static_cast<std::int64_t>(dict.entries.size()));
  const Text* text = as_text(key);
  for (const auto& [entry_key, value] : dict.entries) {
    if (text) {
      const Text* entry_text = as_text(entry_key);
      if (entry_text && entry_text->text == text->text) return &value;
    } else if (equals(context, entry_key, key)) {
      return &value;
    }
  }
  return nullptr;
}

void assign(RenderContext& context, std::vector<std::pair<Value, Value>>& entries, const Value& key,
            const Value& value) {
  if (!is_hashable(key)) context.fail("unhashable type: '{}'", type_name(key));
  for (auto& entry : entries) {
    if (!equals(context, entry.first, key)) continue;
    entry.second = value;
    return;
  }
  entries.emplace_back(key, value);
}

}  // namespace cairn::jinja
