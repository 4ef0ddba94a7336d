#include "model/chat_template/lexer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/chat_template/literals.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

constexpr auto kNone = std::string_view::npos;

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (position_ < source_.size()) {
      std::size_t tag = find_tag(position_);
      if (tag == kNone) {
        add_data(source_.substr(position_));
        position_ = source_.size();
      } else {
        text_before(tag);
        open_tag(tag);
      }
    }
    add(TokenType::end, position_);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail_here(std::string_view message) { fail_invalid("chat template line {}: {}", line_, message); }

  // Moves the line count on to `position`.
  int line_at(std::size_t position) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(counted_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(position), '\n'));
    counted_ = position;
    return line_;
  }

  Token& add(TokenType type, std::size_t position, std::size_t length = 0) {
    Token& token = tokens_.emplace_back();
    token.type = type;
    token.line = line_at(position);
    token.text = source_.substr(position, length);
    return token;
  }

  void add_data(std::string_view text) {
    if (!text.empty()) add(TokenType::data, static_cast<std::size_t>(text.data() - source_.data()), text.size());
  }

  std::size_t find_tag(std::size_t from) const {
    for (std::size_t at = source_.find('{', from); at != kNone; at = source_.find('{', at + 1)) {
      char next = at + 1 < source_.size() ? source_[at + 1] : '\0';
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return kNone;
  }

  char at(std::size_t position) const { return position < source_.size() ? source_[position] : '\0'; }

  // Emits the text up to the tag, stripped as the tag's mark and lstrip_blocks ask.
  void text_before(std::size_t tag) {
    std::string_view text = source_.substr(position_, tag - position_);
    char mark = at(tag + 2);
    if (mark == '-') {
      text = strip_space(text, Side::right);
    } else if (mark != '+' && source_[tag + 1] != '{') {
      std::size_t line_start = text.rfind('\n') + 1;
      bool starts_line = line_start > 0 || at_line_start_;
      if (starts_line && strip_space(text.substr(line_start), Side::right).empty()) text = text.substr(0, line_start);
    }
    add_data(text);
  }

  void skip_space() {
    while (position_ < source_.size()) {
      std::size_t next = position_;
      if (!is_space(next_code_point(source_, next))) break;
      position_ = next;
    }
  }

  // Moves past a tag's end at `end`, `length` bytes long with its mark.
  void close_tag(std::size_t end, std::size_t length, bool trims_newline) {
    bool strips = source_[end] == '-';
    bool keeps = source_[end] == '+';
    position_ = end + length;
    if (strips) {
      skip_space();
    } else if (trims_newline && !keeps && at(position_) == '\n') {
      ++position_;
    }
    at_line_start_ = position_ > 0 && source_[position_ - 1] == '\n';
  }

  void open_tag(std::size_t tag) {
    char kind = source_[tag + 1];
    char mark = at(tag + 2);
    std::size_t inside = tag + 2 + (mark == '-' || mark == '+');
    if (kind == '#') {
      comment(inside);
    } else if (std::size_t body = kind == '%' ? raw_body(inside) : kNone; body != kNone) {
      raw(body);
    } else {
      TokenType type = kind == '%' ? TokenType::block_begin : TokenType::variable_begin;
      add(type, tag);
      position_ = inside;
      tag_tokens(kind == '%');
    }
  }

  void comment(std::size_t inside) {
    std::size_t end = source_.find("#}", inside);
    line_at(inside);
    if (end == kNone) fail_here("missing end of comment tag");
    bool marked = end > inside && (source_[end - 1] == '-' || source_[end - 1] == '+');
    close_tag(end - marked, 2 + marked, true);
  }

  std::size_t skip_blanks(std::size_t position) const {
    while (position < source_.size() && is_space(static_cast<unsigned char>(source_[position]))) ++position;
    return position;
  }

  // When `word %}` stands at `inside`, the position of its end mark, which may be '-' or '+'; else npos.
  std::size_t bare_tag_end(std::size_t inside, std::string_view word) const {
    std::size_t position = skip_blanks(inside);
    if (source_.substr(position, word.size()) != word) return kNone;
    position = skip_blanks(position + word.size());
    std::size_t mark = at(position) == '-' || at(position) == '+';
    return source_.substr(position + mark, 2) == "%}" ? position : kNone;
  }

  // Where the text of a raw block begins, when the tag opens one; else npos.
  std::size_t raw_body(std::size_t inside) {
    std::size_t end = bare_tag_end(inside, "raw");
    if (end == kNone || source_[end] == '+') return kNone;
    std::size_t mark = source_[end] == '-';
    std::size_t saved = position_;
    position_ = end + mark + 2;
    if (mark) skip_space();
    return std::exchange(position_, saved);
  }

  void raw(std::size_t body) {
    position_ = body;
    at_line_start_ = source_[body - 1] == '\n';
    for (std::size_t tag = source_.find("{%", body); tag != kNone; tag = source_.find("{%", tag + 2)) {
      std::size_t mark = at(tag + 2) == '-' || at(tag + 2) == '+';
      std::size_t end = bare_tag_end(tag + 2 + mark, "endraw");
      if (end == kNone) continue;
      text_before(tag);
      close_tag(end, source_[end] == '%' ? 2 : 3, true);
      return;
    }
    line_at(body);
    fail_here("missing end of raw directive");
  }

  // The length of the tag's end at the position, its mark included; 0 when it does not end here.
  std::size_t tag_end(bool block) const {
    std::string_view rest = source_.substr(position_, 3);
    std::string_view close = block ? "%}" : "}}";
    if (rest.starts_with(close)) return 2;
    bool marked = rest.size() == 3 && (rest[0] == '-' || (block && rest[0] == '+'));
    return marked && rest.substr(1) == close ? 3 : 0;
  }

  void tag_tokens(bool block) {
    brackets_.clear();
    while (true) {
      skip_space();
      if (position_ >= source_.size()) return;
      std::size_t length = brackets_.empty() ? tag_end(block) : 0;
      if (length > 0) {
        add(block ? TokenType::block_end : TokenType::variable_end, position_);
        close_tag(position_, length, block);
        return;
      }
      tag_token();
    }
  }

  void tag_token() {
    char c = source_[position_];
    if (c >= '0' && c <= '9') {
      Token& token = add(TokenType::integer, position_);
      position_ += read_number(source_.substr(position_), position_ > 0 && source_[position_ - 1] == '.', token);
    } else if (is_name_byte(c)) {
      std::size_t end = position_;
      while (end < source_.size() && is_name_byte(source_[end])) ++end;
      add(TokenType::name, position_, end - position_);
      position_ = end;
    } else if (c == '\'' || c == '"') {
      string_token(c);
    } else {
      symbol_token();
    }
  }

  void string_token(char quote) {
    Token& token = add(TokenType::string, position_);
    std::size_t end = position_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_here("a string that does not end");
    token.string = unescape(source_.substr(position_ + 1, end - position_ - 1), token.line);
    position_ = end + 1;
  }

  void symbol_token() {
    constexpr std::array<std::string_view, 6> kPairs = {"==", "!=", ">=", "<=", "//", "**"};
    constexpr std::string_view kSingles = "+-*/%~[](){}<>=.:|,;";
    std::string_view rest = source_.substr(position_, 2);
    std::size_t length = std::find(kPairs.begin(), kPairs.end(), rest) != kPairs.end() ? 2 : 1;
    line_at(position_);
    if (length == 1 && kSingles.find(rest[0]) == kNone) {
      fail_here(fmt::format("unexpected character '{}' in a tag", rest[0]));
    }
    if (length == 1) balance(rest[0]);
    add(TokenType::symbol, position_, length);
    position_ += length;
  }

  void balance(char symbol) {
    if (symbol == '(') brackets_ += ')';
    if (symbol == '[') brackets_ += ']';
    if (symbol == '{') brackets_ += '}';
    if (symbol != ')' && symbol != ']' && symbol != '}') return;
    if (brackets_.empty()) fail_here(fmt::format("unexpected '{}'", symbol));
    if (brackets_.back() != symbol) fail_here(fmt::format("unexpected '{}', expected '{}'", symbol, brackets_.back()));
    brackets_.pop_back();
  }

  std::string_view source_;
  std::size_t position_ = 0;
  std::size_t counted_ = 0;  // bytes whose newlines line_ holds
  int line_ = 1;
  bool at_line_start_ = true;
  std::string brackets_;  // closing brackets still due
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

std::string describe(const Token& token) {
  switch (token.type) {
    case TokenType::data:
      return "text";
    case TokenType::variable_begin:
      return "'{{'";
    case TokenType::variable_end:
      return "'}}'";
    case TokenType::block_begin:
      return "'{%'";
    case TokenType::block_end:
      return "'%}'";
    case TokenType::string:
      return "a string";
    case TokenType::integer:
    case TokenType::real:
      return "a number";
    case TokenType::end:
      return "the end of the template";
    default:
      return fmt::format("'{}'", token.text);
  }
}

}  // namespace cairn::jinja
