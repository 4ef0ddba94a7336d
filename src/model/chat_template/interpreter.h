// Runs a template's tree.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "model/chat_template/arguments.h"
#include "model/chat_template/ast.h"
#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

/// One rendering of one template: the text it has printed, the names in scope, and the context that pays for it all.
class Interpreter {
 public:
  /// `variables` is an object; it must outlive the interpreter.
  Interpreter(const Program& program, const TemplateLimits& limits, const nlohmann::ordered_json& variables);

  std::string run();

 private:
  enum class Flow { normal, break_loop, continue_loop };

  // Statements (execute.cc).
  Flow execute(const Body& body);
  Flow execute(const Statement& statement);
  Flow execute(const TextOutput& node);
  Flow execute(const ExpressionOutput& node);
  Flow execute(const If& node);
  Flow execute(const For& node);
  Flow execute(const Set& node);
  Flow execute(const SetBlock& node);
  Flow execute(const MacroStatement& node);
  Flow execute(const CallBlock& node);
  Flow execute(const FilterBlock& node);
  Flow execute(const With& node);
  Flow execute(const Generation& node);
  Flow execute(const Break&) { return Flow::break_loop; }
  Flow execute(const Continue&) { return Flow::continue_loop; }
  std::vector<Value> loop_items(const For& node);
  Flow run_loop(const For& node, const std::vector<Value>& items);
  void print(std::string_view text);
  /// What `body` prints, as a value; nothing of it reaches the output.
  Value capture(const Body& body);
  Value apply_filters(const std::vector<FilterUse>& filters, Value value);

  // Names (scopes.cc).
  Value look_up(std::string_view name);
  void assign_name(std::string_view name, const Value& value);
  void assign_target(const Target& target, const Value& value);
  void assign_attribute(const Target& target, const Value& value);

  // Expressions (evaluate.cc).
  Value evaluate(const Expression& expression);
  Value evaluate_or_none(const ExpressionPtr& expression);
  Value evaluate_node(const Constant& node) { return node.value; }
  Value evaluate_node(const Name& node) { return look_up(node.name); }
  Value evaluate_node(const SequenceDisplay& node);
  Value evaluate_node(const DictDisplay& node);
  Value evaluate_node(const AttributeAccess& node);
  Value evaluate_node(const ItemAccess& node);
  Value evaluate_node(const SliceAccess& node);
  Value evaluate_node(const Call& node);
  Value evaluate_node(const FilterUse& node);
  Value evaluate_node(const TestUse& node);
  Value evaluate_node(const Unary& node);
  Value evaluate_node(const Binary& node);
  Value evaluate_node(const Comparison& node);
  Value evaluate_node(const Logical& node);
  Value evaluate_node(const Concatenation& node);
  Value evaluate_node(const Conditional& node);
  CallArguments evaluate(const Arguments& arguments);

  // Calls (calls.cc).
  Value apply_filter(const FilterUse& filter, const Value& input);
  Value call(const Value& callee, CallArguments arguments);
  Value call_macro(const Macro& macro, CallArguments arguments);
  void bind_parameters(const MacroDefinition& definition, CallArguments& arguments);

  const Program& program_;
  RenderContext context_;
  Scope* scope_;
  std::string output_;
};

}  // namespace cairn::jinja
