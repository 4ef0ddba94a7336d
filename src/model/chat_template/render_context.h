// What one rendering owns: the memory of its values, its budgets, and the line it is at.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/chat_template/chat_template.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

/// The names visible at one place of the template; lookups go on in `parent`.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> names;
};

struct MacroDefinition;

/// A macro, or the body of a call block, together with the names around its definition.
struct Macro {
  const MacroDefinition* definition = nullptr;
  Scope* scope = nullptr;
};

struct Method;

/// A method taken from a value, as `text.strip`.
struct BoundMethod {
  Value self;
  const Method* method = nullptr;
};

/// Every allocation and every unit of work of a rendering is charged here, so that a hostile template fails with
/// resource_exhausted instead of exhausting the machine.
class RenderContext {
 public:
  explicit RenderContext(const TemplateLimits& limits);

  int line = 1;  // of the node being evaluated, for messages

  /// Throws invalid_argument "chat template line N: …".
  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    fail_with(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void fail_with(ErrorKind kind, const std::string& message) const;

  /// What evaluating a node or comparing two values costs beside looking at a byte.
  static constexpr std::int64_t kStep = 16;

  /// Charges `units` of work: bytes looked at, and kStep for larger steps.
  void charge(std::int64_t units) {
    work_left_ -= units;
    if (work_left_ < 0) fail_with(ErrorKind::resource_exhausted, "the template does too much work");
  }
  /// Charges one loop iteration or macro call.
  void count_iteration();
  /// Checks, before it is built, that `bytes` more memory may be used.
  void require_memory(std::int64_t bytes) const;
  /// Accounts for `bytes` added to (or, negative, taken from) the output buffers that are open.
  void count_output(std::int64_t bytes);

  /// Room for `levels` more levels of nested evaluation; undone by leave().
  void enter(int levels = 1);
  void leave(int levels = 1) { depth_ -= levels; }

  Value text(std::string text, bool safe = false);
  Value sequence(SequenceKind kind, std::vector<Value> items);
  Value list(std::vector<Value> items) { return sequence(SequenceKind::list, std::move(items)); }
  Value tuple(std::vector<Value> items) { return sequence(SequenceKind::tuple, std::move(items)); }
  Value generator(std::vector<Value> items) { return sequence(SequenceKind::generator, std::move(items)); }
  Value dict(std::vector<std::pair<Value, Value>> entries);
  Value name_space(std::vector<std::pair<std::string_view, Value>> attributes);
  Value macro(const MacroDefinition* definition, Scope* scope);
  Value bound_method(const Value& self, const Method* method);
  Loop* loop();
  Scope* scope(Scope* parent);

  template <typename... Args>
  Value undefined(fmt::format_string<Args...> format, Args&&... args) {
    return Undefined{keep(fmt::format(format, std::forward<Args>(args)...))};
  }

 private:
  std::string_view keep(std::string text);
  void use_memory(std::int64_t bytes);

  TemplateLimits limits_;
  std::int64_t work_left_;
  std::int64_t memory_left_;
  std::int64_t iterations_left_;
  std::int64_t output_left_;
  int depth_ = 0;
  std::deque<std::string> texts_;
  std::deque<Sequence> sequences_;
  std::deque<Dict> dicts_;
  std::deque<Namespace> namespaces_;
  std::deque<Macro> macros_;
  std::deque<BoundMethod> methods_;
  std::deque<Loop> loops_;
  std::deque<Scope> scopes_;
};

/// One level of nested evaluation for the life of the object.
class DepthGuard {
 public:
  explicit DepthGuard(RenderContext& context, int levels = 1) : context_(context), levels_(levels) {
    context_.enter(levels_);
  }
  ~DepthGuard() { context_.leave(levels_); }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  RenderContext& context_;
  int levels_;
};

}  // namespace cairn::jinja
