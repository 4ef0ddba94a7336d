#include "model/chat_template/expression_parser.h"

#include <algorithm>

namespace cairn::jinja {

namespace {

int height_of(const ExpressionPtr& expression) { return expression ? expression->height : 0; }

int height_of(const Arguments& arguments) {
  int height = std::max(height_of(arguments.unpacked_list), height_of(arguments.unpacked_dict));
  for (const ExpressionPtr& argument : arguments.positional) height = std::max(height, height_of(argument));
  for (const auto& [name, argument] : arguments.named) height = std::max(height, height_of(argument));
  return height;
}

template <typename... Parts>
int tallest(const Parts&... parts) {
  return std::max({0, height_of(parts)...});
}

struct ChildHeight {
  int operator()(const Constant&) const { return 0; }
  int operator()(const Name&) const { return 0; }
  int operator()(const SequenceDisplay& node) const {
    int height = 0;
    for (const ExpressionPtr& item : node.items) height = std::max(height, height_of(item));
    return height;
  }
  int operator()(const DictDisplay& node) const {
    int height = 0;
    for (const auto& [key, value] : node.entries) height = std::max(height, tallest(key, value));
    return height;
  }
  int operator()(const AttributeAccess& node) const { return height_of(node.object); }
  int operator()(const ItemAccess& node) const { return tallest(node.object, node.key); }
  int operator()(const SliceAccess& node) const { return tallest(node.object, node.start, node.stop, node.step); }
  int operator()(const Call& node) const { return tallest(node.callee, node.arguments); }
  int operator()(const FilterUse& node) const { return tallest(node.input, node.arguments); }
  int operator()(const TestUse& node) const { return tallest(node.input, node.arguments); }
  int operator()(const Unary& node) const { return height_of(node.operand); }
  int operator()(const Binary& node) const { return tallest(node.left, node.right); }
  int operator()(const Comparison& node) const {
    int height = height_of(node.first);
    for (const auto& [op, operand] : node.rest) height = std::max(height, height_of(operand));
    return height;
  }
  int operator()(const Logical& node) const { return tallest(node.left, node.right); }
  int operator()(const Concatenation& node) const {
    int height = 0;
    for (const ExpressionPtr& part : node.parts) height = std::max(height, height_of(part));
    return height;
  }
  int operator()(const Conditional& node) const { return tallest(node.condition, node.value, node.otherwise); }
};

}  // namespace

template <typename Node>
ExpressionPtr ExpressionParser::make(int line, Node node) {
  auto expression = std::make_unique<Expression>();
  expression->line = line;
  expression->height = 1 + ChildHeight{}(node);
  expression->node = std::move(node);
  if (expression->height > max_height_) {
    fail(ErrorKind::resource_exhausted, "chat template line {}: an expression of over {} chained operations", line,
         max_height_);
  }
  return expression;
}

ExpressionPtr ExpressionParser::expression() {
  TokenStream::Nesting nesting(stream_);
  int line = stream_.line();
  ExpressionPtr value = or_expression();
  while (stream_.skip_name("if")) {
    Conditional node;
    node.value = std::move(value);
    node.condition = or_expression();
    if (stream_.skip_name("else")) node.otherwise = expression();
    value = make(line, std::move(node));
  }
  return value;
}

ExpressionPtr ExpressionParser::or_expression() {
  ExpressionPtr left = and_expression();
  while (stream_.at_name("or")) {
    int line = stream_.next().line;
    left = make(line, Logical{false, std::move(left), and_expression()});
  }
  return left;
}

ExpressionPtr ExpressionParser::and_expression() {
  ExpressionPtr left = not_expression();
  while (stream_.at_name("and")) {
    int line = stream_.next().line;
    left = make(line, Logical{true, std::move(left), not_expression()});
  }
  return left;
}

ExpressionPtr ExpressionParser::not_expression() {
  if (!stream_.at_name("not")) return comparison();
  TokenStream::Nesting nesting(stream_);
  int line = stream_.next().line;
  return make(line, Unary{Unary::Kind::invert, not_expression()});
}

bool ExpressionParser::comparison_operator(ComparisonOperator& op) {
  if (stream_.at(TokenType::symbol)) {
    for (auto candidate :
         {ComparisonOperator::equal, ComparisonOperator::not_equal, ComparisonOperator::less,
          ComparisonOperator::less_equal, ComparisonOperator::greater, ComparisonOperator::greater_equal}) {
      op = candidate;
      if (stream_.skip_symbol(spelling(candidate))) return true;
    }
    return false;
  }
  op = ComparisonOperator::in;
  if (stream_.skip_name("in")) return true;
  op = ComparisonOperator::not_in;
  const Token& second = stream_.look_ahead();
  if (!stream_.at_name("not") || second.type != TokenType::name || second.text != "in") return false;
  stream_.next();
  stream_.next();
  return true;
}

ExpressionPtr ExpressionParser::comparison() {
  int line = stream_.line();
  Comparison node;
  node.first = sum();
  ComparisonOperator op;
  while (comparison_operator(op)) node.rest.emplace_back(op, sum());
  return node.rest.empty() ? std::move(node.first) : make(line, std::move(node));
}

ExpressionPtr ExpressionParser::sum() {
  ExpressionPtr left = concatenation();
  while (stream_.at_symbol("+") || stream_.at_symbol("-")) {
    const Token& token = stream_.next();
    BinaryOperator op = token.text == "+" ? BinaryOperator::add : BinaryOperator::subtract;
    left = make(token.line, Binary{op, std::move(left), concatenation()});
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  int line = stream_.line();
  Concatenation node;
  node.parts.push_back(product());
  while (stream_.skip_symbol("~")) node.parts.push_back(product());
  return node.parts.size() == 1 ? std::move(node.parts[0]) : make(line, std::move(node));
}

ExpressionPtr ExpressionParser::product() {
  ExpressionPtr left = power();
  while (true) {
    BinaryOperator op;
    if (stream_.at_symbol("*")) {
      op = BinaryOperator::multiply;
    } else if (stream_.at_symbol("/")) {
      op = BinaryOperator::divide;
    } else if (stream_.at_symbol("//")) {
      op = BinaryOperator::floor_divide;
    } else if (stream_.at_symbol("%")) {
      op = BinaryOperator::modulo;
    } else {
      return left;
    }
    int line = stream_.next().line;
    left = make(line, Binary{op, std::move(left), power()});
  }
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr left = unary();
  while (stream_.at_symbol("**")) {
    int line = stream_.next().line;
    left = make(line, Binary{BinaryOperator::power, std::move(left), unary()});
  }
  return left;
}

// A sign binds tighter than a filter: -1|abs is (-1)|abs.
ExpressionPtr ExpressionParser::unary(bool with_filters) {
  ExpressionPtr value;
  if (stream_.at_symbol("-") || stream_.at_symbol("+")) {
    TokenStream::Nesting nesting(stream_);
    const Token& token = stream_.next();
    Unary::Kind kind = token.text == "-" ? Unary::Kind::negate : Unary::Kind::positive;
    value = make(token.line, Unary{kind, unary(false)});
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPtr ExpressionParser::primary() {
  int line = stream_.line();
  switch (stream_.current().type) {
    case TokenType::name:
      return name_or_constant();
    case TokenType::integer:
      return make(line, Constant{stream_.next().integer});
    case TokenType::real:
      return make(line, Constant{stream_.next().real});
    case TokenType::string: {
      std::string text = std::move(stream_.next().string);
      while (stream_.at(TokenType::string)) text += stream_.next().string;
      return make(line, Constant{text_value(strings_.emplace_back(std::move(text)))});
    }
    default:
      break;
  }
  if (stream_.at_symbol("(")) return parenthesized();
  if (stream_.at_symbol("[")) return list_display();
  if (stream_.at_symbol("{")) return dict_display();
  stream_.unexpected("an expression");
}

ExpressionPtr ExpressionParser::name_or_constant() {
  const Token& token = stream_.next();
  std::string_view name = token.text;
  if (name == "true" || name == "True") return make(token.line, Constant{true});
  if (name == "false" || name == "False") return make(token.line, Constant{false});
  if (name == "none" || name == "None") return make(token.line, Constant{None{}});
  special_names_.varargs += name == "varargs";
  special_names_.kwargs += name == "kwargs";
  special_names_.caller += name == "caller";
  return make(token.line, Name{name});
}

bool ExpressionParser::at_list_end() const {
  return stream_.at(TokenType::variable_end) || stream_.at(TokenType::block_end) || stream_.at_symbol(")");
}

ExpressionPtr ExpressionParser::parenthesized() {
  int line = stream_.next().line;
  if (stream_.skip_symbol(")")) return make(line, SequenceDisplay{true, {}});
  ExpressionPtr value = expression_list();
  stream_.expect_symbol(")");
  return value;
}

ExpressionPtr ExpressionParser::expression_list(bool with_conditional) {
  int line = stream_.line();
  ExpressionPtr first = with_conditional ? expression() : or_expression();
  if (!stream_.at_symbol(",")) return first;
  SequenceDisplay node{true, {}};
  node.items.push_back(std::move(first));
  while (stream_.skip_symbol(",") && !at_list_end()) {
    node.items.push_back(with_conditional ? expression() : or_expression());
  }
  return make(line, std::move(node));
}

ExpressionPtr ExpressionParser::list_display() {
  int line = stream_.next().line;
  SequenceDisplay node;
  while (!stream_.at_symbol("]")) {
    node.items.push_back(expression());
    if (!stream_.skip_symbol(",")) break;
  }
  stream_.expect_symbol("]");
  return make(line, std::move(node));
}

ExpressionPtr ExpressionParser::dict_display() {
  int line = stream_.next().line;
  DictDisplay node;
  while (!stream_.at_symbol("}")) {
    ExpressionPtr key = expression();
    stream_.expect_symbol(":");
    node.entries.emplace_back(std::move(key), expression());
    if (!stream_.skip_symbol(",")) break;
  }
  stream_.expect_symbol("}");
  return make(line, std::move(node));
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr object) {
  while (true) {
    if (stream_.at_symbol(".")) {
      object = attribute(std::move(object));
    } else if (stream_.at_symbol("[")) {
      object = subscript(std::move(object));
    } else if (stream_.at_symbol("(")) {
      int line = stream_.line();
      object = make(line, Call{std::move(object), arguments()});
    } else {
      return object;
    }
  }
}

ExpressionPtr ExpressionParser::attribute(ExpressionPtr object) {
  int line = stream_.next().line;
  if (stream_.at(TokenType::integer)) {
    ExpressionPtr index = make(line, Constant{stream_.next().integer});
    return make(line, ItemAccess{std::move(object), std::move(index)});
  }
  return make(line, AttributeAccess{std::move(object), stream_.expect_name()});
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr object) {
  int line = stream_.next().line;
  ExpressionPtr start;
  if (!stream_.at_symbol(":")) start = expression();
  if (stream_.skip_symbol("]")) return make(line, ItemAccess{std::move(object), std::move(start)});
  stream_.expect_symbol(":");
  SliceAccess node;
  node.object = std::move(object);
  node.start = std::move(start);
  if (!stream_.at_symbol(":") && !stream_.at_symbol("]")) node.stop = expression();
  if (stream_.skip_symbol(":") && !stream_.at_symbol("]")) node.step = expression();
  stream_.expect_symbol("]");
  return make(line, std::move(node));
}

Arguments ExpressionParser::arguments() {
  stream_.expect_symbol("(");
  Arguments result;
  while (!stream_.at_symbol(")")) {
    const Token& second = stream_.look_ahead();
    bool named = stream_.at(TokenType::name) && second.type == TokenType::symbol && second.text == "=";
    if (result.unpacked_dict) stream_.unexpected("')' after '**' arguments");
    if (stream_.at_symbol("*") && !result.unpacked_list) {
      stream_.next();
      result.unpacked_list = expression();
    } else if (stream_.skip_symbol("**")) {
      result.unpacked_dict = expression();
    } else if (named) {
      std::string_view name = stream_.next().text;
      stream_.next();
      result.named.emplace_back(name, expression());
    } else {
      if (!result.named.empty() || result.unpacked_list) stream_.unexpected("a keyword argument");
      result.positional.push_back(expression());
    }
    if (!stream_.skip_symbol(",")) break;
  }
  stream_.expect_symbol(")");
  return result;
}

FilterUse ExpressionParser::filter() {
  int line = stream_.line();
  FilterUse use;
  use.name = stream_.expect_name();
  use.filter = find_filter(use.name);
  if (!use.filter && !is_unsupported_filter(use.name)) {
    fail_invalid("chat template line {}: no filter named '{}'", line, use.name);
  }
  if (stream_.at_symbol("(")) use.arguments = arguments();
  return use;
}

std::vector<FilterUse> ExpressionParser::filters() {
  std::vector<FilterUse> uses;
  while (stream_.skip_symbol("|")) uses.push_back(filter());
  return uses;
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr input) {
  while (true) {
    int line = stream_.line();
    if (stream_.skip_symbol("|")) {
      FilterUse use = filter();
      use.input = std::move(input);
      input = make(line, std::move(use));
    } else if (stream_.at_name("is")) {
      input = test(std::move(input));
    } else if (stream_.at_symbol("(")) {
      input = make(line, Call{std::move(input), arguments()});
    } else {
      return input;
    }
  }
}

ExpressionPtr ExpressionParser::test(ExpressionPtr input) {
  int line = stream_.next().line;
  bool negated = stream_.skip_name("not");
  std::string_view name = stream_.expect_name();
  TestUse use;
  use.predicate = find_predicate(name);
  if (!use.predicate) fail_invalid("chat template line {}: no test named '{}'", line, name);
  use.input = std::move(input);
  bool keyword = stream_.at_name("else") || stream_.at_name("or") || stream_.at_name("and");
  bool argument = stream_.at(TokenType::string) || stream_.at(TokenType::integer) || stream_.at(TokenType::real) ||
                  stream_.at_symbol("[") || stream_.at_symbol("{") || (stream_.at(TokenType::name) && !keyword);
  if (stream_.at_symbol("(")) {
    use.arguments = arguments();
  } else if (argument) {
    if (stream_.at_name("is")) stream_.unexpected("the end of the test");
    use.arguments.positional.push_back(postfix(primary()));
  }
  ExpressionPtr result = make(line, std::move(use));
  return negated ? make(line, Unary{Unary::Kind::invert, std::move(result)}) : std::move(result);
}

ExpressionPtr ExpressionParser::call_expression() {
  int line = stream_.line();
  ExpressionPtr value = expression();
  if (!std::holds_alternative<Call>(value->node)) fail_invalid("chat template line {}: expected a call", line);
  return value;
}

Target ExpressionParser::target(bool with_attribute) {
  TokenStream::Nesting nesting(stream_);
  auto single = [&] {
    Target part;
    part.line = stream_.line();
    if (stream_.skip_symbol("(")) {
      part = target(false);
      stream_.expect_symbol(")");
      return part;
    }
    part.name = stream_.expect_name();
    for (std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (part.name == constant) fail_invalid("chat template line {}: can't assign to '{}'", part.line, constant);
    }
    if (with_attribute && stream_.skip_symbol(".")) part.attribute = stream_.expect_name();
    return part;
  };
  Target first = single();
  if (!stream_.at_symbol(",")) return first;
  Target several;
  several.line = first.line;
  several.parts.push_back(std::move(first));
  while (stream_.skip_symbol(",") && !stream_.at_name("in") && !stream_.at_symbol("=") && !at_list_end()) {
    several.parts.push_back(single());
  }
  return several;
}

}  // namespace cairn::jinja
