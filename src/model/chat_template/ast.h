// A parsed template.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "model/chat_template/filters.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/predicates.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Arguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string_view, ExpressionPtr>> named;
  ExpressionPtr unpacked_list;  // of *list; null when there is none
  ExpressionPtr unpacked_dict;  // of **dict; null when there is none
};

struct Constant {
  Value value;
};

struct Name {
  std::string_view name;
};

struct SequenceDisplay {
  bool tuple = false;
  std::vector<ExpressionPtr> items;
};

struct DictDisplay {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};

struct AttributeAccess {
  ExpressionPtr object;
  std::string_view name;
};

struct ItemAccess {
  ExpressionPtr object;
  ExpressionPtr key;
};

struct SliceAccess {
  ExpressionPtr object;
  ExpressionPtr start, stop, step;  // null when omitted
};

struct Call {
  ExpressionPtr callee;
  Arguments arguments;
};

struct FilterUse {
  ExpressionPtr input;  // null in a filter block or a set block, whose body is the input
  std::string_view name;
  const Filter* filter = nullptr;  // null when jinja2 has it but Cairn does not: an error once it is reached
  Arguments arguments;
};

struct TestUse {
  ExpressionPtr input;
  const Predicate* predicate = nullptr;
  Arguments arguments;
};

struct Unary {
  enum class Kind { negate, positive, invert } kind;
  ExpressionPtr operand;
};

struct Binary {
  BinaryOperator op;
  ExpressionPtr left, right;
};

/// a < b <= c: each neighbouring pair is compared, each operand evaluated once.
struct Comparison {
  ExpressionPtr first;
  std::vector<std::pair<ComparisonOperator, ExpressionPtr>> rest;
};

struct Logical {
  bool is_and = false;
  ExpressionPtr left, right;
};

/// a ~ b ~ c
struct Concatenation {
  std::vector<ExpressionPtr> parts;
};

/// value if condition else otherwise
struct Conditional {
  ExpressionPtr condition, value;
  ExpressionPtr otherwise;  // null when omitted: undefined
};

struct Expression {
  int line = 1;
  int height = 1;  // of the tree, bounded by the parser so that evaluating and releasing it stay within the stack
  std::variant<Constant, Name, SequenceDisplay, DictDisplay, AttributeAccess, ItemAccess, SliceAccess, Call, FilterUse,
               TestUse, Unary, Binary, Comparison, Logical, Concatenation, Conditional>
      node;
};

struct Statement;
using Body = std::vector<Statement>;

/// What a for or set statement assigns to: a name, namespace.attribute, or several of them for unpacking.
struct Target {
  int line = 1;
  std::string_view name;       // empty when `parts` hold the targets
  std::string_view attribute;  // of the namespace `name`; empty for a plain name
  std::vector<Target> parts;
};

struct TextOutput {
  std::string_view text;
};

struct ExpressionOutput {
  ExpressionPtr expression;
};

struct If {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
};

struct For {
  Target target;
  ExpressionPtr items;
  ExpressionPtr condition;  // of the items to go through; null for all
  Body body;
  Body otherwise;  // when there is nothing to go through
};

struct Set {
  Target target;
  ExpressionPtr value;
};

/// {% set x %}…{% endset %}, with filters from the innermost out.
struct SetBlock {
  Target target;
  std::vector<FilterUse> filters;
  Body body;
};

struct Parameter {
  std::string_view name;
  ExpressionPtr fallback;  // null when required
};

/// A macro, or the body of a call block.
struct MacroDefinition {
  std::string_view name;
  std::vector<Parameter> parameters;
  bool uses_varargs = false;
  bool uses_kwargs = false;
  bool uses_caller = false;
  Body body;
};

struct MacroStatement {
  MacroDefinition definition;
};

/// {% call(x) macro(…) %}…{% endcall %}
struct CallBlock {
  MacroDefinition caller;
  ExpressionPtr call;
};

struct FilterBlock {
  std::vector<FilterUse> filters;
  Body body;
};

struct With {
  std::vector<std::pair<Target, ExpressionPtr>> bindings;
  Body body;
};

/// {% generation %}…{% endgeneration %}: marks the assistant's words for training; prints its body.
struct Generation {
  Body body;
};

struct Break {};
struct Continue {};

struct Statement {
  int line = 1;
  std::variant<TextOutput, ExpressionOutput, If, For, Set, SetBlock, MacroStatement, CallBlock, FilterBlock, With,
               Generation, Break, Continue>
      node;
};

/// A whole template. `source` backs every view in the tree.
struct Program {
  std::string source;
  std::deque<std::string> strings;  // of string literals
  Body body;
};

}  // namespace cairn::jinja
