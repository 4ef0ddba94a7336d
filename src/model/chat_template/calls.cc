#include <algorithm>

#include "model/chat_template/globals.h"
#include "model/chat_template/interpreter.h"
#include "model/chat_template/methods.h"

namespace cairn::jinja {

namespace {

constexpr int kLevelsPerMacroCall = 16;  // so that max_depth calls fill the context's allowance

}  // namespace

Value Interpreter::apply_filter(const FilterUse& use, const Value& input) {
  int line = context_.line;
  if (!use.filter) {
    context_.fail_with(ErrorKind::unsupported, fmt::format("the filter '{}' is unsupported", use.name));
  }
  CallArguments arguments = evaluate(use.arguments);
  context_.line = line;
  return use.filter->call(context_, input, arguments);
}

Value Interpreter::call(const Value& callee, CallArguments arguments) {
  if (const Function* const* function = std::get_if<const Function*>(&callee)) {
    return (*function)->call(context_, arguments);
  }
  if (const BoundMethod* const* bound = std::get_if<const BoundMethod*>(&callee)) {
    return (*bound)->method->call(context_, (*bound)->self, arguments);
  }
  if (const Macro* const* macro = std::get_if<const Macro*>(&callee)) return call_macro(**macro, std::move(arguments));
  if (const Undefined* undefined = std::get_if<Undefined>(&callee)) context_.fail("{}", undefined->message);
  context_.fail("'{}' object is not callable", type_name(callee));
}

Value Interpreter::call_macro(const Macro& macro, CallArguments arguments) {
  context_.count_iteration();
  DepthGuard depth(context_, kLevelsPerMacroCall);
  Scope* outer = std::exchange(scope_, context_.scope(macro.scope));
  bind_parameters(*macro.definition, arguments);
  Value text = capture(macro.definition->body);
  scope_ = outer;
  return text;
}

// Binds positional arguments, then keywords, then defaults, which may use the parameters before them.
void Interpreter::bind_parameters(const MacroDefinition& definition, CallArguments& arguments) {
  std::size_t count = definition.parameters.size();
  auto& named = arguments.named;
  for (std::size_t i = 0; i < count; ++i) {
    const Parameter& parameter = definition.parameters[i];
    auto given =
        std::find_if(named.begin(), named.end(), [&](const auto& item) { return item.first == parameter.name; });
    if (i < arguments.positional.size()) {
      if (given != named.end()) {
        context_.fail("macro '{}' got multiple values for argument '{}'", definition.name, parameter.name);
      }
      assign_name(parameter.name, arguments.positional[i]);
    } else if (given != named.end()) {
      assign_name(parameter.name, given->second);
      named.erase(given);
    } else if (parameter.fallback) {
      assign_name(parameter.name, evaluate(*parameter.fallback));
    } else {
      assign_name(parameter.name, context_.undefined("parameter '{}' was not provided", parameter.name));
    }
  }
  auto caller = std::find_if(named.begin(), named.end(), [](const auto& item) { return item.first == "caller"; });
  if (definition.uses_caller && caller != named.end()) {
    assign_name("caller", caller->second);
    named.erase(caller);
  } else if (definition.uses_caller) {
    assign_name("caller", context_.undefined("No caller defined"));
  }
  std::vector<Value>& positional = arguments.positional;
  if (definition.uses_varargs) {
    std::vector<Value> rest(positional.begin() + static_cast<std::ptrdiff_t>(std::min(count, positional.size())),
                            positional.end());
    assign_name("varargs", context_.tuple(std::move(rest)));
  } else if (positional.size() > count) {
    context_.fail("macro '{}' takes not more than {} argument(s)", definition.name, count);
  }
  if (definition.uses_kwargs) {
    std::vector<std::pair<Value, Value>> rest;
    for (const auto& [name, value] : named) rest.emplace_back(text_value(name), value);
    assign_name("kwargs", context_.dict(std::move(rest)));
  } else if (!named.empty()) {
    context_.fail("macro '{}' takes no keyword argument '{}'", definition.name, named.front().first);
  }
}

}  // namespace cairn::jinja
