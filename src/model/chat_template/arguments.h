// Arguments of a call, and their binding to the callee's parameters.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

struct CallArguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;
};

/// The arguments of one call of a built-in, by parameter. Getters fail, naming function and parameter, on a value of
/// the wrong type.
class BoundArguments {
 public:
  /// Binds `arguments` to `parameters`, of which the first `required` must be given.
  BoundArguments(RenderContext& context, std::string_view function, const CallArguments& arguments,
                 std::initializer_list<std::string_view> parameters, std::size_t required = 0);

  /// Null when not given.
  const Value* find(std::size_t parameter) const { return values_[parameter]; }
  /// Null when not given or none.
  const Value* find_set(std::size_t parameter) const;
  const Value& value(std::size_t parameter) const { return *values_[parameter]; }

  bool flag(std::size_t parameter, bool fallback) const;
  std::int64_t integer(std::size_t parameter, std::int64_t fallback) const;
  std::string_view text(std::size_t parameter, std::string_view fallback) const;

 private:
  static constexpr std::size_t kMaxParameters = 6;

  RenderContext& context_;
  std::string_view function_;
  std::array<std::string_view, kMaxParameters> names_;
  std::array<const Value*, kMaxParameters> values_ = {};
};

/// The value as an integer (bool counts as 0 or 1), or nothing.
bool to_integer(const Value& value, std::int64_t& out);

}  // namespace cairn::jinja
