#include "model/chat_template/data.h"
#include "model/chat_template/interpreter.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/printing.h"

namespace cairn::jinja {

Interpreter::Interpreter(const Program& program, const TemplateLimits& limits, const nlohmann::ordered_json& variables)
    : program_(program), context_(limits) {
  // The caller's variables lie outside the template's own, as jinja2's context does.
  Scope* given = context_.scope(nullptr);
  for (const auto& [name, value] : variables.items()) given->names.emplace_back(name, from_json(context_, value));
  scope_ = context_.scope(given);
  assign_name("self", context_.name_space({}));  // holds jinja2's blocks, of which there are none
}

std::string Interpreter::run() {
  execute(program_.body);
  return std::move(output_);
}

void Interpreter::print(std::string_view text) {
  context_.count_output(static_cast<std::int64_t>(text.size()));
  output_ += text;
}

Value Interpreter::capture(const Body& body) {
  std::string outer = std::exchange(output_, {});
  execute(body);
  context_.count_output(-static_cast<std::int64_t>(output_.size()));
  return context_.text(std::exchange(output_, std::move(outer)));
}

Interpreter::Flow Interpreter::execute(const Body& body) {
  for (const Statement& statement : body) {
    Flow flow = execute(statement);
    if (flow != Flow::normal) return flow;
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const Statement& statement) {
  DepthGuard depth(context_);
  context_.charge(RenderContext::kStep);
  context_.line = statement.line;
  return std::visit([this](const auto& node) { return execute(node); }, statement.node);
}

Interpreter::Flow Interpreter::execute(const TextOutput& node) {
  print(node.text);
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const ExpressionOutput& node) {
  Value value = evaluate(*node.expression);
  if (const Text* text = as_text(value)) {
    print(text->text);
  } else {
    print(to_str(context_, value));
  }
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const If& node) {
  for (const auto& [condition, body] : node.branches) {
    if (is_true(evaluate(*condition))) return execute(body);
  }
  return execute(node.otherwise);
}

std::vector<Value> Interpreter::loop_items(const For& node) {
  Value iterable = evaluate(*node.items);
  std::span<const Value> items = iterate(context_, iterable);
  if (!node.condition) return {items.begin(), items.end()};
  std::vector<Value> kept;
  scope_ = context_.scope(scope_);
  for (const Value& item : items) {
    context_.count_iteration();
    assign_target(node.target, item);
    if (is_true(evaluate(*node.condition))) kept.push_back(item);
  }
  scope_ = scope_->parent;
  return kept;
}

Interpreter::Flow Interpreter::execute(const For& node) {
  const std::vector<Value>& items = as_sequence(context_.list(loop_items(node)))->items;
  if (!items.empty()) return run_loop(node, items);
  scope_ = context_.scope(scope_);
  Flow flow = execute(node.otherwise);
  scope_ = scope_->parent;
  return flow;
}

Interpreter::Flow Interpreter::run_loop(const For& node, const std::vector<Value>& items) {
  Loop* loop = context_.loop();
  loop->items = &items;
  Scope* outer = scope_;
  scope_ = context_.scope(outer);
  for (const Value& item : items) {
    context_.count_iteration();
    scope_->names.clear();
    scope_->names.emplace_back("loop", loop);
    assign_target(node.target, item);
    if (execute(node.body) == Flow::break_loop) break;
    ++loop->index;
  }
  loop->index = std::min<std::int64_t>(loop->index, static_cast<std::int64_t>(items.size()) - 1);
  scope_ = outer;
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const Set& node) {
  Value value = evaluate(*node.value);
  context_.line = node.target.line;
  assign_target(node.target, value);
  return Flow::normal;
}

Value Interpreter::apply_filters(const std::vector<FilterUse>& filters, Value value) {
  for (const FilterUse& filter : filters) value = apply_filter(filter, value);
  return value;
}

Interpreter::Flow Interpreter::execute(const SetBlock& node) {
  scope_ = context_.scope(scope_);
  Value text = capture(node.body);
  scope_ = scope_->parent;
  assign_target(node.target, apply_filters(node.filters, text));
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const MacroStatement& node) {
  assign_name(node.definition.name, context_.macro(&node.definition, scope_));
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const CallBlock& node) {
  const Call& target = std::get<Call>(node.call->node);
  Value callee = evaluate(*target.callee);
  CallArguments arguments = evaluate(target.arguments);
  arguments.named.emplace_back("caller", context_.macro(&node.caller, scope_));
  context_.line = node.call->line;
  print(to_str(context_, call(callee, std::move(arguments))));
  return Flow::normal;
}

Interpreter::Flow Interpreter::execute(const FilterBlock& node) {
  scope_ = context_.scope(scope_);
  Value text = capture(node.body);
  scope_ = scope_->parent;
  print(to_str(context_, apply_filters(node.filters, text)));
  return Flow::normal;
}

// The values see the names outside, not each other.
Interpreter::Flow Interpreter::execute(const With& node) {
  std::vector<Value> values;
  for (const auto& binding : node.bindings) values.push_back(evaluate(*binding.second));
  scope_ = context_.scope(scope_);
  for (std::size_t i = 0; i < values.size(); ++i) assign_target(node.bindings[i].first, values[i]);
  Flow flow = execute(node.body);
  scope_ = scope_->parent;
  return flow;
}

Interpreter::Flow Interpreter::execute(const Generation& node) {
  scope_ = context_.scope(scope_);
  Flow flow = execute(node.body);
  scope_ = scope_->parent;
  return flow;
}

}  // namespace cairn::jinja
