// Reads expressions, with jinja2's precedence: conditional, or, and, not, comparison, + -, ~, * / // %, **, unary, then
// attributes, calls and filters.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "model/chat_template/ast.h"
#include "model/chat_template/token_stream.h"

namespace cairn::jinja {

class ExpressionParser {
 public:
  /// String literals go to `strings`, whose elements stay where they are.
  ExpressionParser(TokenStream& stream, std::deque<std::string>& strings, int max_height)
      : stream_(stream), strings_(strings), max_height_(max_height) {}

  ExpressionPtr expression();
  /// An expression without `… if …` at its top, as between `in` and `if` of a for statement.
  ExpressionPtr or_expression();
  /// One expression, or several separated by commas as a tuple.
  ExpressionPtr expression_list(bool with_conditional = true);
  Target target(bool with_attribute);
  /// name or name(arguments), as after a '|'.
  FilterUse filter();
  std::vector<FilterUse> filters();
  /// A call expression; fails otherwise.
  ExpressionPtr call_expression();

  /// How often the names that mean something inside macros were read so far.
  struct SpecialNames {
    int varargs = 0;
    int kwargs = 0;
    int caller = 0;
  };
  const SpecialNames& special_names() const { return special_names_; }

 private:
  template <typename Node>
  ExpressionPtr make(int line, Node node);

  ExpressionPtr and_expression();
  ExpressionPtr not_expression();
  ExpressionPtr comparison();
  bool comparison_operator(ComparisonOperator& op);
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters = true);
  ExpressionPtr primary();
  ExpressionPtr name_or_constant();
  ExpressionPtr parenthesized();
  ExpressionPtr list_display();
  ExpressionPtr dict_display();
  ExpressionPtr postfix(ExpressionPtr object);
  ExpressionPtr attribute(ExpressionPtr object);
  ExpressionPtr subscript(ExpressionPtr object);
  ExpressionPtr filters_and_tests(ExpressionPtr input);
  ExpressionPtr test(ExpressionPtr input);
  Arguments arguments();
  bool at_list_end() const;

  TokenStream& stream_;
  std::deque<std::string>& strings_;
  int max_height_;
  SpecialNames special_names_;
};

}  // namespace cairn::jinja
