#include "model/chat_template/literals.h"

#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"

namespace cairn::jinja {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_digit_of(char c, int base) {
  if (base == 16) return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
  return c >= '0' && c < '0' + base;
}

// Length of a run of digits with single underscores between them.
std::size_t digits_length(std::string_view text, int base) {
  std::size_t length = 0;
  while (length < text.size()) {
    if (is_digit_of(text[length], base)) {
      ++length;
    } else if (text[length] == '_' && length > 0 && length + 1 < text.size() && is_digit_of(text[length + 1], base)) {
      length += 2;
    } else {
      break;
    }
  }
  return length;
}

std::string without_underscores(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != '_') out += c;
  }
  return out;
}

// Length of digits with a fraction, an exponent or both; 0 otherwise.
std::size_t real_length(std::string_view text) {
  std::size_t length = digits_length(text, 10);
  if (length == 0) return 0;
  bool real = false;
  if (length < text.size() && text[length] == '.') {
    std::size_t fraction = digits_length(text.substr(length + 1), 10);
    if (fraction > 0) {
      length += 1 + fraction;
      real = true;
    }
  }
  if (length < text.size() && (text[length] | 0x20) == 'e') {
    std::size_t sign = length + 1 < text.size() && (text[length + 1] == '+' || text[length + 1] == '-');
    std::size_t exponent = digits_length(text.substr(length + 1 + sign), 10);
    if (exponent > 0) {
      length += 1 + sign + exponent;
      real = true;
    }
  }
  return real ? length : 0;
}

std::size_t read_integer(std::string_view text, Token& token) {
  char mark = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
  std::size_t length = digits_length(text.substr(2 * (base != 10)), base);
  if (length == 0) {  // 0x without digits after it is the number 0, and then a name
    base = 10;
    length = digits_length(text, base);
  }
  std::size_t prefix = base == 10 ? 0 : 2;
  std::string digits = without_underscores(text.substr(prefix, length));
  token.type = TokenType::integer;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), token.integer, base);
  if (error != std::errc()) fail_invalid("chat template line {}: integer {} is beyond 64 bits", token.line, digits);
  return prefix + length;
}

// Reads the digits of \x, \u and \U; moves `position` past them.
char32_t read_code(std::string_view body, std::size_t& position, std::size_t digits, int line) {
  std::uint32_t code = 0;
  std::string_view text = body.substr(std::min(position, body.size()), digits);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code, 16);
  bool whole = text.size() == digits && error == std::errc() && end == text.data() + digits;
  bool scalar = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  if (!whole || !scalar) fail_invalid("chat template line {}: invalid \\x, \\u or \\U escape in a string", line);
  position += digits;
  return static_cast<char32_t>(code);
}

char32_t read_octal(std::string_view body, std::size_t& position) {
  char32_t code = 0;
  for (int i = 0; i < 3 && position < body.size() && body[position] >= '0' && body[position] <= '7'; ++i) {
    code = code * 8 + static_cast<char32_t>(body[position++] - '0');
  }
  return code;
}

// What the one-letter escape stands for; 0 when the letter is none.
char simple_escape(char letter) {
  constexpr std::string_view kLetters = "abfnrtv\\'\"";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  std::size_t index = kLetters.find(letter);
  return index == std::string_view::npos ? '\0' : kMeanings[index];
}

}  // namespace

std::size_t read_number(std::string_view text, bool after_dot, Token& token) {
  std::size_t length = after_dot ? 0 : real_length(text);
  if (length == 0) return read_integer(text, token);
  token.type = TokenType::real;
  token.real = std::strtod(without_underscores(text.substr(0, length)).c_str(), nullptr);
  return length;
}

std::string unescape(std::string_view body, int line) {
  std::string out;
  for (std::size_t position = 0; position < body.size();) {
    char c = body[position++];
    if (c != '\\' || position == body.size()) {
      out += c;
      continue;
    }
    char letter = body[position++];
    if (char meaning = simple_escape(letter)) {
      out += meaning;
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
      append_utf8(out, read_code(body, position, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, line));
    } else if (letter >= '0' && letter <= '7') {
      append_utf8(out, read_octal(body, --position));
    } else if (letter == 'N') {
      fail(ErrorKind::unsupported, "chat template line {}: \\N escapes in strings are unsupported", line);
    } else if (letter != '\n') {
      out += '\\';
      out += letter;
    }
  }
  return out;
}

}  // namespace cairn::jinja
