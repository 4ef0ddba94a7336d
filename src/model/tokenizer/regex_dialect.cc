#include "model/tokenizer/regex_dialect.h"

#include <array>

#include "base/error.h"
#include "model/tokenizer/unicode_additions.h"

namespace cairn {
namespace {

constexpr std::string_view kSpaces = R"(\t-\r \x{85}\p{Z})";
constexpr std::string_view kNotSpaces =
    R"(\x{0}-\x{8}\x{e}-\x{1f}!-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";

constexpr std::string_view kHanSinceUnicode15 = R"(\x{2b739}\x{2ebf0}-\x{2ee5d}\x{31350}-\x{323af})";

// The inside of a character class for a property, with the additions up to a version of Unicode.
std::string property_items(std::string_view name, int version) {
  // PCRE2 takes a bare script name for Script_Extensions, Oniguruma for Script.
  bool is_script = name.size() > 2 && name != "Alphabetic" && name != "Any";
  if (is_script) return fmt::format("\\p{{sc:{}}}{}", name, name == "Han" ? kHanSinceUnicode15 : "");
  std::string items = fmt::format("\\p{{{}}}", name);
  for (const UnicodeAddition& addition : unicode_additions()) {
    if (addition.version <= version && addition.category.starts_with(name))
      items += fmt::format("\\x{{{:x}}}-\\x{{{:x}}}", static_cast<unsigned>(addition.first),
                           static_cast<unsigned>(addition.last));
  }
  return items;
}

std::string word_items() {
  std::string items = "\\p{Alphabetic}";
  for (const char* category : {"L", "M", "Nd", "Nl", "Pc"}) items += property_items(category, 16);
  return items + R"(\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";  // in Latin-1 Oniguruma counts every number as a word character
}

class Translator {
 public:
  Translator(std::string_view source, std::string_view what) : source_(source), what_(what) {}

  std::string run() {
    while (at_ < source_.size()) {
      char c = source_[at_];
      if (c == '\\')
        escape();
      else if (in_class_)
        class_character(c);
      else
        plain_character(c);
    }
    if (in_class_) fail_invalid("{}: pattern '{}': a character class is not closed", what_, shown());
    return std::move(out_);
  }

 private:
  std::string_view shown() const { return source_.substr(0, 200); }
  [[noreturn]] void unsupported(std::string_view construct) const {
    fail(ErrorKind::unsupported, "{}: pattern '{}': {} at offset {} is not supported", what_, shown(), construct, at_);
  }
  char peek(std::size_t ahead) const { return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0'; }
  bool looking_at(std::string_view text) const { return source_.substr(at_).starts_with(text); }

  void plain_character(char c) {
    if (c == '[') {
      in_class_ = true;
      std::size_t open = peek(1) == '^' ? 2 : 1;
      out_ += source_.substr(at_, open);
      at_ += open;
      if (looking_at("]")) unsupported("']' as the first character of a class");
      return;
    }
    if (c == '(' && peek(1) == '?') {
      static constexpr std::array<std::string_view, 7> known = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:"};
      bool accepted = false;
      for (std::string_view group : known) accepted |= looking_at(group);
      if (!accepted) unsupported("this kind of group");
    }
    if (c == '{' && peek(1) == ',') unsupported("a repeat without a lower bound");
    // After {n,m} Ruby's '+' repeats again, PCRE2's makes the repeat possessive.
    if (c == '}' && peek(1) == '+') unsupported("'+' after a counted repeat");
    out_ += c;
    ++at_;
  }

  void class_character(char c) {
    if (c == '[') unsupported("a nested or POSIX class");
    if (looking_at("&&")) unsupported("'&&' in a class");
    if (c == ']') in_class_ = false;
    out_ += c;
    ++at_;
  }

  void set(std::string_view items, bool negated) {
    if (!in_class_)
      out_ += fmt::format("[{}{}]", negated ? "^" : "", items);
    else if (!negated)
      out_ += items;
    else
      unsupported("a negated set within a class");
  }

  void escape() {
    char kind = peek(1);
    std::size_t length = 2;
    switch (kind) {
      case 's':
        set(kSpaces, false);
        break;
      case 'S':
        set(in_class_ ? kNotSpaces : kSpaces, !in_class_);
        break;
      case 'd':
      case 'D':
        set(property_items("Nd", 16), kind == 'D');
        break;
      case 'w':
      case 'W':
        set(word_items(), kind == 'W');
        break;
      case 'p':
      case 'P':
        length = property(kind == 'P');
        break;
      case 'v':
        out_ += "\\x{b}";
        break;
      case 'u':
        length = unicode_escape();
        break;
      case 'x':
        length = hexadecimal_escape();
        break;
      case 'r':
      case 'n':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        out_ += source_.substr(at_, 2);
        break;
      case 'A':
      case 'z':
        if (in_class_) unsupported("an anchor in a class");
        out_ += source_.substr(at_, 2);
        break;
      case '\0':
        fail_invalid("{}: pattern '{}' ends in a backslash", what_, shown());
      default:
        if ((kind >= '0' && kind <= '9') || (kind >= 'a' && kind <= 'z') || (kind >= 'A' && kind <= 'Z'))
          unsupported(fmt::format("'\\{}'", kind));
        out_ += source_.substr(at_, 2);
    }
    at_ += length;
  }

  // \p{Name}, \p{^Name}; returns its length.
  std::size_t property(bool negated) {
    std::size_t close = source_.find('}', at_);
    if (peek(2) != '{' || close == std::string_view::npos) unsupported("a property without braces");
    std::string_view name = source_.substr(at_ + 3, close - at_ - 3);
    if (name.starts_with('^')) negated = !negated, name.remove_prefix(1);
    if (name.empty() || name.size() > 40 ||
        name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") != name.npos)
      unsupported("this property name");
    set(property_items(name, 16), negated);
    return close + 1 - at_;
  }

  // \xHH of an ASCII character, or \x{H...}; returns its length.
  std::size_t hexadecimal_escape() {
    bool braces = peek(2) == '{';
    std::size_t close = source_.find('}', at_);
    if (braces && close == std::string_view::npos) unsupported("an unclosed '\\x{'");
    std::string_view digits = braces ? source_.substr(at_ + 3, close - at_ - 3) : source_.substr(at_ + 2, 2);
    if (!is_hexadecimal(digits) || (!braces && (digits.size() != 2 || digits[0] > '7'))) unsupported("this '\\x'");
    out_ += fmt::format("\\x{{{}}}", digits);
    return digits.size() + (braces ? 4 : 2);
  }

  static bool is_hexadecimal(std::string_view digits) {
    return !digits.empty() && digits.size() <= 8 && digits.find_first_not_of("0123456789abcdefABCDEF") == digits.npos;
  }

  // \uHHHH; returns its length.
  std::size_t unicode_escape() {
    std::string_view digits = source_.substr(at_ + 2, 4);
    if (digits.size() != 4 || !is_hexadecimal(digits)) unsupported("'\\u' without four hexadecimal digits");
    out_ += fmt::format("\\x{{{}}}", digits);
    return 6;
  }

  std::string_view source_, what_;
  std::size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

}  // namespace

std::string to_pcre2(std::string_view pattern, std::string_view what) { return Translator(pattern, what).run(); }

std::string numeric_pattern() { return fmt::format("[{}]", property_items("N", 17)); }

}  // namespace cairn
