#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "model/chat_template/access.h"
#include "model/chat_template/filters.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

// Digits may be grouped by single underscores, as in Python.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool between = i > 0 && i + 1 < text.size() && std::isalnum(static_cast<unsigned char>(text[i - 1])) &&
                   std::isalnum(static_cast<unsigned char>(text[i + 1]));
    if (text[i] == '_' && !between) return std::nullopt;
    if (text[i] != '_') out += text[i];
  }
  return out;
}

std::optional<std::int64_t> parse_integer(RenderContext& context, std::string_view text, std::int64_t base) {
  std::optional<std::string> digits = without_underscores(strip_space(text, Side::both));
  if (!digits || digits->empty()) return std::nullopt;
  bool negative = (*digits)[0] == '-';
  std::string_view rest(*digits);
  if (negative || rest[0] == '+') rest.remove_prefix(1);
  char mark = rest.size() > 2 && rest[0] == '0' ? static_cast<char>(rest[1] | 0x20) : '\0';
  if ((base == 16 && mark == 'x') || (base == 8 && mark == 'o') || (base == 2 && mark == 'b')) rest.remove_prefix(2);
  if (rest.empty() || rest[0] == '-') return std::nullopt;
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value, static_cast<int>(base));
  if (error == std::errc::result_out_of_range) context.fail("integer overflow: beyond 64 bits");
  if (error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> parse_real(std::string_view text) {
  std::optional<std::string> digits = without_underscores(strip_space(text, Side::both));
  if (!digits || digits->empty()) return std::nullopt;
  if (digits->find_first_of("xX(") != std::string::npos) return std::nullopt;  // strtod's own extensions
  char* end = nullptr;
  double value = std::strtod(digits->c_str(), &end);
  if (end != digits->c_str() + digits->size()) return std::nullopt;
  return value;
}

std::optional<double> to_real(const Value& value) {
  if (const double* real = std::get_if<double>(&value)) return *real;
  if (const Text* text = as_text(value)) return parse_real(text->text);
  std::int64_t integer = 0;
  if (to_integer(value, integer)) return static_cast<double>(integer);
  return std::nullopt;
}

void require_defined(RenderContext& context, const Value& value) {
  if (const Undefined* undefined = std::get_if<Undefined>(&value)) context.fail("{}", undefined->message);
}

Value to_int_filter(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "int", arguments, {"default", "base"});
  require_defined(context, input);
  Value fallback = bound.find(0) ? bound.value(0) : Value(std::int64_t{0});
  std::int64_t integer = 0;
  if (to_integer(input, integer)) return integer;
  if (std::holds_alternative<std::uint64_t>(input)) return input;
  std::int64_t base = bound.integer(1, 10);
  if (base < 2 || base > 36) context.fail("int: the base must be from 2 to 36, not {}", base);
  if (const Text* text = as_text(input)) {
    if (std::optional<std::int64_t> parsed = parse_integer(context, text->text, base)) return *parsed;
  }
  std::optional<double> real = to_real(input);
  if (!real || !std::isfinite(*real)) return fallback;
  if (std::fabs(*real) >= 0x1p63) context.fail("integer overflow: beyond 64 bits");
  return static_cast<std::int64_t>(*real);
}

Value to_float_filter(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "float", arguments, {"default"});
  require_defined(context, input);
  std::optional<double> real = to_real(input);
  if (real) return *real;
  return bound.find(0) ? bound.value(0) : Value(0.0);
}

Value absolute(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "abs", arguments, {});
  if (const double* real = std::get_if<double>(&input)) return std::fabs(*real);
  std::int64_t integer = 0;
  if (!to_integer(input, integer)) {
    require_defined(context, input);
    context.fail("bad operand type for abs(): '{}'", type_name(input));
  }
  return integer < 0 ? negate(context, integer) : Value(integer);
}

// Correctly rounded in decimal, as Python does: 2.675 to two places is 2.67, because it is stored below 2.675.
double round_to_places(double value, std::int64_t places) {
  if (!std::isfinite(value)) return value;
  if (places < 0) {
    double scale = std::pow(10.0, static_cast<double>(-places));
    return std::isinf(scale) ? std::copysign(0.0, value) : std::nearbyint(value / scale) * scale;
  }
  if (places > 320) return value;
  return std::strtod(fmt::format("{:.{}f}", value, places).c_str(), nullptr);
}

Value round_integer(RenderContext& context, std::int64_t value, std::int64_t places) {
  if (places >= 0) return value;
  if (places < -18) return std::int64_t{0};
  std::int64_t scale = 1;
  for (; places < 0; ++places) scale *= 10;
  std::int64_t remainder = value % scale;
  std::int64_t truncated = value - remainder;
  std::int64_t twice = std::abs(remainder) - (scale - std::abs(remainder));  // the sign says which side is nearer
  bool away = twice > 0 || (twice == 0 && (truncated / scale) % 2 != 0);
  Value step = value < 0 ? -scale : scale;
  return away ? apply(context, BinaryOperator::add, truncated, step) : Value(truncated);
}

Value round_filter(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "round", arguments, {"precision", "method"});
  std::int64_t places = bound.integer(0, 0);
  std::string_view method = bound.text(1, "common");
  if (method != "common" && method != "ceil" && method != "floor") {
    context.fail("round: the method must be common, ceil or floor, not '{}'", method);
  }
  std::int64_t integer = 0;
  bool is_integer = to_integer(input, integer);
  const double* real = std::get_if<double>(&input);
  if (!is_integer && !real) {
    require_defined(context, input);
    context.fail("type {} cannot be rounded", type_name(input));
  }
  if (method == "common") return is_integer ? round_integer(context, integer, places) : round_to_places(*real, places);
  double scale = std::pow(10.0, static_cast<double>(places));
  double scaled = (is_integer ? static_cast<double>(integer) : *real) * scale;
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale;
}

Value sum(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "sum", arguments, {"attribute", "start"});
  Value total = bound.find(1) ? bound.value(1) : Value(std::int64_t{0});
  if (as_text(total)) context.fail("sum() can't sum strings");
  const Value* path = bound.find_set(0);
  for (const Value& item : iterate(context, input)) {
    total = apply(context, BinaryOperator::add, total, path ? follow_path(context, item, *path) : item);
  }
  return total;
}

constexpr Filter kFilters[] = {
    {"int", to_int_filter}, {"float", to_float_filter}, {"abs", absolute}, {"round", round_filter}, {"sum", sum},
};

}  // namespace

std::span<const Filter> number_filters() { return kFilters; }

}  // namespace cairn::jinja
