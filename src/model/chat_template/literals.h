// Number and string literals of the template language.
#pragma once

#include <string>
#include <string_view>

#include "model/chat_template/lexer.h"

namespace cairn::jinja {

/// Length of the number literal that `text` begins with; 0 when it begins with none. `after_dot` says that the
/// character before is a dot, where only an integer can stand. Sets type and value of `token`.
std::size_t read_number(std::string_view text, bool after_dot, Token& token);

/// The text of a string literal's body, escapes resolved as in a Python string. Throws invalid_argument naming `line`.
std::string unescape(std::string_view body, int line);

}  // namespace cairn::jinja
