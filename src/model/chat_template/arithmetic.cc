#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"
#include "model/chat_template/arguments.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/text_format.h"

namespace cairn::jinja {

namespace {

std::optional<double> as_real(const Value& value) {
  if (const double* real = std::get_if<double>(&value)) return *real;
  std::int64_t integer = 0;
  if (to_integer(value, integer)) return static_cast<double>(integer);
  return std::nullopt;
}

[[noreturn]] void no_operator(RenderContext& context, BinaryOperator op, const Value& left, const Value& right) {
  for (const Value* value : {&left, &right}) {
    if (const Undefined* undefined = std::get_if<Undefined>(value)) context.fail("{}", undefined->message);
    if (std::holds_alternative<std::uint64_t>(*value)) context.fail("integer overflow: beyond 64 bits");
  }
  context.fail("unsupported operand type(s) for {}: '{}' and '{}'", spelling(op), type_name(left), type_name(right));
}

void reject_overflow(RenderContext& context, bool overflow) {
  if (overflow) context.fail("integer overflow: beyond 64 bits");
}

std::int64_t floor_divide(std::int64_t left, std::int64_t right) {
  std::int64_t quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

std::int64_t floor_modulo(std::int64_t left, std::int64_t right) {
  std::int64_t remainder = left % right;
  return remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder;
}

std::int64_t power(RenderContext& context, std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  bool overflow = false;
  while (exponent > 0 && !overflow) {
    if (exponent & 1) overflow |= __builtin_mul_overflow(result, base, &result);
    exponent >>= 1;
    // The last squaring is not used, so it may overflow.
    if (exponent > 0) overflow |= __builtin_mul_overflow(base, base, &base);
  }
  reject_overflow(context, overflow);
  return result;
}

Value power_of_reals(RenderContext& context, double base, double exponent) {
  if (base == 0 && exponent < 0) context.fail("0.0 cannot be raised to a negative power");
  if (base < 0 && std::isfinite(base) && exponent != std::floor(exponent)) {
    context.fail("the power of a negative number to a fraction is complex, which is unsupported");
  }
  double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) context.fail("float overflow in **");
  return result;
}

Value apply_integers(RenderContext& context, BinaryOperator op, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  bool divides = op == BinaryOperator::divide || op == BinaryOperator::floor_divide || op == BinaryOperator::modulo;
  if (divides && right == 0) context.fail("division by zero");
  switch (op) {
    case BinaryOperator::add:
      reject_overflow(context, __builtin_add_overflow(left, right, &result));
      return result;
    case BinaryOperator::subtract:
      reject_overflow(context, __builtin_sub_overflow(left, right, &result));
      return result;
    case BinaryOperator::multiply:
      reject_overflow(context, __builtin_mul_overflow(left, right, &result));
      return result;
    case BinaryOperator::divide:
      return static_cast<double>(static_cast<long double>(left) / static_cast<long double>(right));
    case BinaryOperator::floor_divide:
      reject_overflow(context, right == -1 && left == std::numeric_limits<std::int64_t>::min());
      return floor_divide(left, right);
    case BinaryOperator::modulo:
      return right == -1 ? std::int64_t{0} : floor_modulo(left, right);
    case BinaryOperator::power:
      if (right < 0) return power_of_reals(context, static_cast<double>(left), static_cast<double>(right));
      return power(context, left, right);
  }
  return None{};
}

Value apply_reals(RenderContext& context, BinaryOperator op, double left, double right) {
  switch (op) {
    case BinaryOperator::add:
      return left + right;
    case BinaryOperator::subtract:
      return left - right;
    case BinaryOperator::multiply:
      return left * right;
    case BinaryOperator::power:
      return power_of_reals(context, left, right);
    default:
      break;
  }
  if (right == 0) context.fail("float division by zero");
  if (op == BinaryOperator::divide) return left / right;
  double modulo = std::fmod(left, right);
  double quotient = (left - modulo) / right;
  if (modulo == 0) {
    modulo = std::copysign(0.0, right);
  } else if ((right < 0) != (modulo < 0)) {
    modulo += right;
    quotient -= 1;
  }
  if (op == BinaryOperator::modulo) return modulo;
  return quotient == 0 ? std::copysign(0.0, left / right) : std::round(quotient);
}

Value concatenate(RenderContext& context, const Text& left, const Text& right) {
  bool safe = left.safe || right.safe;
  context.require_memory(static_cast<std::int64_t>(left.text.size() + right.text.size()));
  if (!safe) return context.text(std::string(left.text).append(right.text));
  std::string out = left.safe ? std::string(left.text) : escape_html(left.text);
  out += right.safe ? std::string(right.text) : escape_html(right.text);
  return context.text(std::move(out), true);
}

Value concatenate(RenderContext& context, const Sequence& left, const Sequence& right) {
  context.require_memory(static_cast<std::int64_t>((left.items.size() + right.items.size()) * sizeof(Value)));
  std::vector<Value> items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  return context.sequence(left.kind, std::move(items));
}

bool is_list_or_tuple(const Sequence* sequence) {
  return sequence && (sequence->kind == SequenceKind::list || sequence->kind == SequenceKind::tuple);
}

// Repetition; nothing when `value` is neither text nor a list.
std::optional<Value> repeat(RenderContext& context, const Value& value, std::int64_t count) {
  const Text* text = as_text(value);
  const Sequence* sequence = as_sequence(value);
  if (!text && !is_list_or_tuple(sequence)) return std::nullopt;
  std::size_t unit = text ? text->text.size() : sequence->items.size() * sizeof(Value);
  if (count <= 0 || unit == 0) {
    if (text) return context.text("", text->safe);
    return context.sequence(sequence->kind, {});
  }
  std::int64_t bytes = 0;
  bool overflow = __builtin_mul_overflow(static_cast<std::int64_t>(unit), count, &bytes);
  context.require_memory(overflow ? std::numeric_limits<std::int64_t>::max() : bytes);
  if (text) {
    std::string out;
    out.reserve(static_cast<std::size_t>(bytes));
    for (std::int64_t i = 0; i < count; ++i) out += text->text;
    return context.text(std::move(out), text->safe);
  }
  std::vector<Value> items;
  for (std::int64_t i = 0; i < count; ++i) {
    items.insert(items.end(), sequence->items.begin(), sequence->items.end());
  }
  return context.sequence(sequence->kind, std::move(items));
}

std::optional<Value> apply_containers(RenderContext& context, BinaryOperator op, const Value& left,
                                      const Value& right) {
  const Text* left_text = as_text(left);
  if (op == BinaryOperator::modulo && left_text) return context.text(percent_format(context, left_text->text, right));
  if (op == BinaryOperator::add) {
    const Text* right_text = as_text(right);
    if (left_text && right_text) return concatenate(context, *left_text, *right_text);
    const Sequence* a = as_sequence(left);
    const Sequence* b = as_sequence(right);
    if (is_list_or_tuple(a) && is_list_or_tuple(b) && a->kind == b->kind) return concatenate(context, *a, *b);
    if (left_text && !is_undefined(right)) {
      context.fail("can only concatenate str (not \"{}\") to str", type_name(right));
    }
  }
  std::int64_t count = 0;
  if (op == BinaryOperator::multiply && to_integer(right, count)) return repeat(context, left, count);
  if (op == BinaryOperator::multiply && to_integer(left, count)) return repeat(context, right, count);
  return std::nullopt;
}

[[noreturn]] void no_sign(RenderContext& context, char sign, const Value& value) {
  if (const Undefined* undefined = std::get_if<Undefined>(&value)) context.fail("{}", undefined->message);
  context.fail("bad operand type for unary {}: '{}'", sign, type_name(value));
}

}  // namespace

std::string_view spelling(BinaryOperator op) {
  constexpr std::string_view kSpellings[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSpellings[static_cast<std::size_t>(op)];
}

Value apply(RenderContext& context, BinaryOperator op, const Value& left, const Value& right) {
  std::int64_t left_integer = 0;
  std::int64_t right_integer = 0;
  if (to_integer(left, left_integer) && to_integer(right, right_integer)) {
    return apply_integers(context, op, left_integer, right_integer);
  }
  std::optional<double> left_real = as_real(left);
  std::optional<double> right_real = as_real(right);
  if (left_real && right_real) return apply_reals(context, op, *left_real, *right_real);
  if (std::optional<Value> result = apply_containers(context, op, left, right)) return *result;
  no_operator(context, op, left, right);
}

Value negate(RenderContext& context, const Value& value) {
  if (const double* real = std::get_if<double>(&value)) return -*real;
  std::int64_t integer = 0;
  if (!to_integer(value, integer)) no_sign(context, '-', value);
  reject_overflow(context, integer == std::numeric_limits<std::int64_t>::min());
  return -integer;
}

Value positive(RenderContext& context, const Value& value) {
  if (std::holds_alternative<double>(value)) return value;
  std::int64_t integer = 0;
  if (!to_integer(value, integer)) no_sign(context, '+', value);
  return integer;
}

}  // namespace cairn::jinja
