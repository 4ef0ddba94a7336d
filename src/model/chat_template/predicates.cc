#include "model/chat_template/predicates.h"

#include <algorithm>

#include "model/chat_template/filters.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/printing.h"
#include "model/chat_template/text_ops.h"

namespace cairn::jinja {

namespace {

bool is_integer(const Value& value) {
  return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<std::uint64_t>(value);
}

bool is_callable(const Value& value) {
  return std::holds_alternative<const Macro*>(value) || std::holds_alternative<const BoundMethod*>(value) ||
         std::holds_alternative<const Function*>(value);
}

bool is_sized_and_indexed(const Value& value) {
  const Sequence* sequence = as_sequence(value);
  if (sequence) return sequence->kind != SequenceKind::generator && sequence->kind != SequenceKind::view;
  return as_text(value) || as_dict(value) || is_undefined(value);
}

// A test without arguments.
template <bool (*test)(const Value&)>
bool plain(RenderContext& context, const Value& value, const CallArguments& arguments) {
  BoundArguments bound(context, "test", arguments, {});
  return test(value);
}

template <ComparisonOperator op>
bool comparison(RenderContext& context, const Value& value, const CallArguments& arguments) {
  BoundArguments bound(context, spelling(op), arguments, {"other"}, 1);
  return compare(context, op, value, bound.value(0));
}

std::int64_t remainder(RenderContext& context, const Value& value, const Value& divisor) {
  Value result = apply(context, BinaryOperator::modulo, value, divisor);
  std::int64_t integer = 0;
  if (to_integer(result, integer)) return integer;
  const double* real = std::get_if<double>(&result);
  return real && *real == 0 ? 0 : real && *real == 1 ? 1 : -1;
}

template <int parity>
bool has_parity(RenderContext& context, const Value& value, const CallArguments& arguments) {
  BoundArguments bound(context, parity ? "odd" : "even", arguments, {});
  return remainder(context, value, std::int64_t{2}) == parity;
}

bool divisible_by(RenderContext& context, const Value& value, const CallArguments& arguments) {
  BoundArguments bound(context, "divisibleby", arguments, {"num"}, 1);
  return remainder(context, value, bound.value(0)) == 0;
}

template <bool upper>
bool has_case(RenderContext& context, const Value& value, const CallArguments& arguments) {
  BoundArguments bound(context, upper ? "upper" : "lower", arguments, {});
  return is_all_case(context, to_str(context, value), upper);
}

// Python's `is`: the same object. For values without identity here, equal values of one type are the same.
bool same_as(RenderContext& context, const Value& value, const CallArguments& arguments) {
  BoundArguments bound(context, "sameas", arguments, {"other"}, 1);
  const Value& other = bound.value(0);
  if (value.index() != other.index()) return false;
  if (const Sequence* sequence = as_sequence(value)) return sequence == as_sequence(other);
  if (const Dict* dict = as_dict(value)) return dict == as_dict(other);
  return equals(context, value, other);
}

bool names_filter(RenderContext& context, const Value& value, const CallArguments& arguments) {
  BoundArguments bound(context, "filter", arguments, {});
  return as_text(value) && find_filter(as_text(value)->text);
}

bool names_test(RenderContext& context, const Value& value, const CallArguments& arguments) {
  BoundArguments bound(context, "test", arguments, {});
  return as_text(value) && find_predicate(as_text(value)->text);
}

constexpr Predicate kPredicates[] = {
    {"defined", plain<[](const Value& value) { return !is_undefined(value); }>},
    {"undefined", plain<[](const Value& value) { return is_undefined(value); }>},
    {"none", plain<[](const Value& value) { return is_none(value); }>},
    {"boolean", plain<[](const Value& value) { return std::holds_alternative<bool>(value); }>},
    {"true", plain<[](const Value& value) { return std::holds_alternative<bool>(value) && std::get<bool>(value); }>},
    {"false", plain<[](const Value& value) { return std::holds_alternative<bool>(value) && !std::get<bool>(value); }>},
    {"integer", plain<is_integer>},
    {"float", plain<[](const Value& value) { return std::holds_alternative<double>(value); }>},
    {"number", plain<[](const Value& value) {
       return is_integer(value) || std::holds_alternative<bool>(value) || std::holds_alternative<double>(value);
     }>},
    {"string", plain<[](const Value& value) { return as_text(value) != nullptr; }>},
    {"mapping", plain<[](const Value& value) { return as_dict(value) != nullptr; }>},
    {"sequence", plain<is_sized_and_indexed>},
    {"iterable", plain<is_iterable>},
    {"callable", plain<is_callable>},
    {"escaped", plain<[](const Value& value) { return as_text(value) && as_text(value)->safe; }>},
    {"odd", has_parity<1>},
    {"even", has_parity<0>},
    {"divisibleby", divisible_by},
    {"upper", has_case<true>},
    {"lower", has_case<false>},
    {"sameas", same_as},
    {"filter", names_filter},
    {"test", names_test},
    {"in", comparison<ComparisonOperator::in>},
    {"eq", comparison<ComparisonOperator::equal>},
    {"equalto", comparison<ComparisonOperator::equal>},
    {"==", comparison<ComparisonOperator::equal>},
    {"ne", comparison<ComparisonOperator::not_equal>},
    {"!=", comparison<ComparisonOperator::not_equal>},
    {"lt", comparison<ComparisonOperator::less>},
    {"lessthan", comparison<ComparisonOperator::less>},
    {"<", comparison<ComparisonOperator::less>},
    {"le", comparison<ComparisonOperator::less_equal>},
    {"<=", comparison<ComparisonOperator::less_equal>},
    {"gt", comparison<ComparisonOperator::greater>},
    {"greaterthan", comparison<ComparisonOperator::greater>},
    {">", comparison<ComparisonOperator::greater>},
    {"ge", comparison<ComparisonOperator::greater_equal>},
    {">=", comparison<ComparisonOperator::greater_equal>},
};

}  // namespace

const Predicate* find_predicate(std::string_view name) {
  const auto* found = std::find_if(std::begin(kPredicates), std::end(kPredicates),
                                   [name](const Predicate& predicate) { return predicate.name == name; });
  return found == std::end(kPredicates) ? nullptr : found;
}

}  // namespace cairn::jinja
