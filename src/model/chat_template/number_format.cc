#include "model/chat_template/number_format.h"

#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "model/chat_template/printing.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

constexpr std::int64_t kMaxSize = 100'000;  // of widths
constexpr std::int64_t kMaxPrecision = 1'000;

void repeat_fill(std::string& out, std::string_view fill, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out += fill;
}

std::string pad(const FormatSpec& spec, std::string_view prefix, std::string_view body, char own_align) {
  char align = spec.align ? spec.align : own_align;
  std::int64_t missing = spec.width - text_length(prefix) - text_length(body);
  std::string out;
  if (missing <= 0) return out.append(prefix).append(body);
  std::int64_t before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  repeat_fill(out, spec.fill, before);
  out += prefix;
  if (align == '=') repeat_fill(out, spec.fill, missing);
  out += body;
  if (align == '<' || align == '^') repeat_fill(out, spec.fill, missing - before);
  return out;
}

std::string with_commas(std::string_view digits) {
  std::size_t whole = digits.find_first_not_of("0123456789");
  if (whole == std::string_view::npos) whole = digits.size();
  std::string out;
  for (std::size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out.append(digits.substr(whole));
}

std::string pad_number(const FormatSpec& spec, bool negative, std::string_view prefix, std::string digits) {
  std::string lead = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  lead += prefix;
  if (spec.comma) digits = with_commas(digits);
  return pad(spec, lead, digits, '>');
}

}  // namespace

std::string format_integer(RenderContext& context, const FormatSpec& spec, std::int64_t value) {
  std::uint64_t magnitude = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  switch (spec.type) {
    case 'x':
      return pad_number(spec, value < 0, spec.alternate ? "0x" : "", fmt::format("{:x}", magnitude));
    case 'X':
      return pad_number(spec, value < 0, spec.alternate ? "0X" : "", fmt::format("{:X}", magnitude));
    case 'o':
      return pad_number(spec, value < 0, spec.alternate ? "0o" : "", fmt::format("{:o}", magnitude));
    case 'b':
      return pad_number(spec, value < 0, spec.alternate ? "0b" : "", fmt::format("{:b}", magnitude));
    case 'c': {
      bool scalar = value >= 0 && value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
      if (!scalar) context.fail("%c requires a character, not {}", value);
      std::string character;
      append_utf8(character, static_cast<char32_t>(value));
      return pad(spec, "", character, '<');
    }
    default:
      break;
  }
  std::string digits = fmt::format("{}", magnitude);
  if (spec.precision > static_cast<std::int64_t>(digits.size())) {
    digits.insert(0, static_cast<std::size_t>(spec.precision) - digits.size(), '0');
  }
  return pad_number(spec, value < 0, "", std::move(digits));
}

std::string format_real(RenderContext&, const FormatSpec& spec, double value) {
  std::string digits;
  double magnitude = std::fabs(value);
  if (!std::isfinite(value)) {
    digits = std::isnan(value) ? "nan" : "inf";
    if (spec.type == 'F' || spec.type == 'E' || spec.type == 'G') digits = std::isnan(value) ? "NAN" : "INF";
  } else if (spec.type == 0 && spec.precision < 0) {
    digits = float_repr(magnitude);
  } else {
    bool percent = spec.type == '%';
    char type = percent ? 'f' : spec.type ? spec.type : 'g';
    char pattern[] = {'%', '.', '*', type, 0};
    char buffer[1536];  // 309 digits before the point and kMaxPrecision after it
    int precision = static_cast<int>(spec.precision < 0 ? 6 : spec.precision);
    int size = std::snprintf(buffer, sizeof(buffer), pattern, precision, percent ? magnitude * 100 : magnitude);
    digits.assign(buffer, static_cast<std::size_t>(size));
    if (percent) digits += '%';
  }
  return pad_number(spec, std::signbit(value) && !std::isnan(value), "", std::move(digits));
}

std::string format_text(RenderContext&, const FormatSpec& spec, std::string_view text) {
  if (spec.precision >= 0) text = text.substr(0, byte_offset(text, spec.precision));
  return pad(spec, "", text, '<');
}

std::int64_t read_size(RenderContext& context, std::string_view format, std::size_t& position) {
  std::int64_t size = 0;
  bool precision = position > 0 && format[position - 1] == '.';
  for (; position < format.size() && format[position] >= '0' && format[position] <= '9'; ++position) {
    size = size * 10 + (format[position] - '0');
    if (size > (precision ? kMaxPrecision : kMaxSize)) context.fail("a format's width or precision is too large");
  }
  return size;
}

}  // namespace cairn::jinja
