#include "model/chat_template/render_context.h"

namespace cairn::jinja {

namespace {

// Evaluation recurses several levels for one level of nesting that a person sees (a block, a parenthesis, a macro
// call).
constexpr int kLevelsPerDepth = 16;
// Memory that values of a rendering may take, and bytes it may look at, as multiples of the output that it may produce.
constexpr std::int64_t kMemoryPerOutputByte = 16;
constexpr std::int64_t kWorkPerOutputByte = 64;
constexpr std::int64_t kWorkPerIteration = 256;

}  // namespace

RenderContext::RenderContext(const TemplateLimits& limits)
    : limits_(limits),
      work_left_(limits.max_output_bytes * kWorkPerOutputByte + limits.max_iterations * kWorkPerIteration),
      memory_left_(limits.max_output_bytes * kMemoryPerOutputByte),
      iterations_left_(limits.max_iterations),
      output_left_(limits.max_output_bytes) {}

void RenderContext::fail_with(ErrorKind kind, const std::string& message) const {
  throw Error(kind, fmt::format("chat template line {}: {}", line, message));
}

void RenderContext::count_iteration() {
  if (--iterations_left_ < 0) {
    fail_with(ErrorKind::resource_exhausted, fmt::format("more than {} loop iterations", limits_.max_iterations));
  }
}

void RenderContext::require_memory(std::int64_t bytes) const {
  if (bytes > memory_left_) {
    fail_with(ErrorKind::resource_exhausted,
              fmt::format("values of over {} bytes in all", limits_.max_output_bytes * kMemoryPerOutputByte));
  }
}

void RenderContext::use_memory(std::int64_t bytes) {
  require_memory(bytes);
  memory_left_ -= bytes;
}

void RenderContext::count_output(std::int64_t bytes) {
  output_left_ -= bytes;
  if (output_left_ < 0) {
    fail_with(ErrorKind::resource_exhausted, fmt::format("output of over {} bytes", limits_.max_output_bytes));
  }
}

void RenderContext::enter(int levels) {
  depth_ += levels;
  if (depth_ <= limits_.max_depth * kLevelsPerDepth) return;
  depth_ -= levels;
  fail_with(ErrorKind::resource_exhausted, fmt::format("nested deeper than {} levels", limits_.max_depth));
}

std::string_view RenderContext::keep(std::string text) {
  use_memory(static_cast<std::int64_t>(text.size() + sizeof(std::string)));
  charge(static_cast<std::int64_t>(text.size()));
  return texts_.emplace_back(std::move(text));
}

Value RenderContext::text(std::string text, bool safe) { return Text{keep(std::move(text)), safe}; }

Value RenderContext::sequence(SequenceKind kind, std::vector<Value> items) {
  use_memory(static_cast<std::int64_t>(items.size() * sizeof(Value) + sizeof(Sequence)));
  charge(static_cast<std::int64_t>(items.size()));
  Sequence& sequence = sequences_.emplace_back();
  sequence.kind = kind;
  sequence.items = std::move(items);
  return &sequence;
}

Value RenderContext::dict(std::vector<std::pair<Value, Value>> entries) {
  use_memory(static_cast<std::int64_t>(entries.size() * sizeof(entries[0]) + sizeof(Dict)));
  charge(static_cast<std::int64_t>(entries.size()));
  return &dicts_.emplace_back(Dict{std::move(entries)});
}

Value RenderContext::name_space(std::vector<std::pair<std::string_view, Value>> attributes) {
  use_memory(static_cast<std::int64_t>(attributes.size() * sizeof(attributes[0]) + sizeof(Namespace)));
  return &namespaces_.emplace_back(Namespace{std::move(attributes)});
}

Value RenderContext::macro(const MacroDefinition* definition, Scope* scope) {
  use_memory(sizeof(Macro));
  return &macros_.emplace_back(Macro{definition, scope});
}

Value RenderContext::bound_method(const Value& self, const Method* method) {
  use_memory(sizeof(BoundMethod));
  return &methods_.emplace_back(BoundMethod{self, method});
}

Loop* RenderContext::loop() {
  use_memory(sizeof(Loop));
  return &loops_.emplace_back();
}

Scope* RenderContext::scope(Scope* parent) {
  use_memory(sizeof(Scope) + 4 * sizeof(Value));
  Scope& scope = scopes_.emplace_back();
  scope.parent = parent;
  return &scope;
}

}  // namespace cairn::jinja
