// Cuts a template's source into text and the tokens of its tags, with jinja2's white space rules under Hugging Face's
// settings: trim_blocks (the newline after a block is dropped), lstrip_blocks (blanks before a block that starts a line
// are dropped), and the explicit {%- -%} {%+ +%} marks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::jinja {

enum class TokenType {
  data,  // text outside tags
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  symbol,
  end,
};

struct Token {
  TokenType type = TokenType::end;
  int line = 1;
  std::string_view text;     // of data, names and symbols; views the source
  std::string string;        // of string literals, escapes resolved
  std::int64_t integer = 0;  // of integer literals
  double real = 0;           // of float literals
};

/// Throws invalid_argument "chat template line N: …". `source` must outlive the tokens; its newlines are '\n'.
std::vector<Token> tokenize(std::string_view source);

/// How messages name a token.
std::string describe(const Token& token);

}  // namespace cairn::jinja
