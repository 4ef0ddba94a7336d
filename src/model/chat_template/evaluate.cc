#include "model/chat_template/access.h"
#include "model/chat_template/interpreter.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/printing.h"

namespace cairn::jinja {

Value Interpreter::evaluate(const Expression& expression) {
  DepthGuard depth(context_);
  context_.charge(RenderContext::kStep);
  context_.line = expression.line;
  return std::visit([this](const auto& node) { return evaluate_node(node); }, expression.node);
}

Value Interpreter::evaluate_or_none(const ExpressionPtr& expression) {
  return expression ? evaluate(*expression) : Value(None{});
}

CallArguments Interpreter::evaluate(const Arguments& arguments) {
  CallArguments result;
  for (const ExpressionPtr& argument : arguments.positional) result.positional.push_back(evaluate(*argument));
  for (const auto& [name, argument] : arguments.named) result.named.emplace_back(name, evaluate(*argument));
  if (arguments.unpacked_list) {
    std::span<const Value> items = iterate(context_, evaluate(*arguments.unpacked_list));
    context_.charge(static_cast<std::int64_t>(items.size()));
    result.positional.insert(result.positional.end(), items.begin(), items.end());
  }
  if (arguments.unpacked_dict) {
    const Value unpacked = evaluate(*arguments.unpacked_dict);
    const Dict* dict = as_dict(unpacked);
    if (!dict) context_.fail("argument after ** must be a mapping, not {}", type_name(unpacked));
    for (const auto& [key, value] : dict->entries) {
      if (!as_text(key)) context_.fail("keywords must be strings");
      result.named.emplace_back(as_text(key)->text, value);
    }
  }
  return result;
}

Value Interpreter::evaluate_node(const SequenceDisplay& node) {
  std::vector<Value> items;
  for (const ExpressionPtr& item : node.items) items.push_back(evaluate(*item));
  return context_.sequence(node.tuple ? SequenceKind::tuple : SequenceKind::list, std::move(items));
}

Value Interpreter::evaluate_node(const DictDisplay& node) {
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : node.entries) {
    Value key_value = evaluate(*key);
    assign(context_, entries, key_value, evaluate(*value));
  }
  return context_.dict(std::move(entries));
}

Value Interpreter::evaluate_node(const AttributeAccess& node) {
  return get_attribute(context_, evaluate(*node.object), node.name);
}

Value Interpreter::evaluate_node(const ItemAccess& node) {
  Value object = evaluate(*node.object);
  return get_item(context_, object, evaluate(*node.key));
}

Value Interpreter::evaluate_node(const SliceAccess& node) {
  Value object = evaluate(*node.object);
  Value start = evaluate_or_none(node.start);
  Value stop = evaluate_or_none(node.stop);
  return get_slice(context_, object, start, stop, evaluate_or_none(node.step));
}

Value Interpreter::evaluate_node(const Call& node) {
  int line = context_.line;
  Value callee = evaluate(*node.callee);
  CallArguments arguments = evaluate(node.arguments);
  context_.line = line;
  return call(callee, std::move(arguments));
}

Value Interpreter::evaluate_node(const FilterUse& node) {
  int line = context_.line;
  Value input = evaluate(*node.input);
  context_.line = line;
  return apply_filter(node, input);
}

Value Interpreter::evaluate_node(const TestUse& node) {
  Value input = evaluate(*node.input);
  return node.predicate->holds(context_, input, evaluate(node.arguments));
}

Value Interpreter::evaluate_node(const Unary& node) {
  Value value = evaluate(*node.operand);
  switch (node.kind) {
    case Unary::Kind::negate:
      return negate(context_, value);
    case Unary::Kind::positive:
      return positive(context_, value);
    case Unary::Kind::invert:
      return !is_true(value);
  }
  return None{};
}

Value Interpreter::evaluate_node(const Binary& node) {
  int line = context_.line;
  Value left = evaluate(*node.left);
  Value right = evaluate(*node.right);
  context_.line = line;
  return apply(context_, node.op, left, right);
}

Value Interpreter::evaluate_node(const Comparison& node) {
  Value left = evaluate(*node.first);
  for (const auto& [op, operand] : node.rest) {
    Value right = evaluate(*operand);
    if (!compare(context_, op, left, right)) return false;
    left = right;
  }
  return true;
}

Value Interpreter::evaluate_node(const Logical& node) {
  Value left = evaluate(*node.left);
  return is_true(left) == node.is_and ? evaluate(*node.right) : left;
}

Value Interpreter::evaluate_node(const Concatenation& node) {
  std::string out;
  for (const ExpressionPtr& part : node.parts) append_str(context_, out, evaluate(*part));
  return context_.text(std::move(out));
}

Value Interpreter::evaluate_node(const Conditional& node) {
  if (is_true(evaluate(*node.condition))) return evaluate(*node.value);
  if (node.otherwise) return evaluate(*node.otherwise);
  return context_.undefined("the inline if-expression was false and has no else");
}

}  // namespace cairn::jinja
