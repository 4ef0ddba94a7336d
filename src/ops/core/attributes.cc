#include "ops/core/attributes.h"

#include <fmt/ranges.h>

#include "base/error.h"

namespace cairn {

void Attributes::set(std::string name, AttributeValue value) {
  for (auto& entry : entries_)
    if (entry.first == name) return void(entry.second = std::move(value));
  entries_.emplace_back(std::move(name), std::move(value));
}

const AttributeValue* Attributes::find(std::string_view name) const {
  for (const auto& entry : entries_)
    if (entry.first == name) return &entry.second;
  return nullptr;
}

void Attributes::missing(std::string_view name) {
  fail(ErrorKind::internal, "node attribute '{}' is missing or of another type", name);
}

std::string to_string(const Attributes& attributes) {
  std::string text;
  for (const auto& [name, value] : attributes.entries()) {
    if (!text.empty()) text += ", ";
    text += name + "=";
    std::visit(
        [&](const auto& v) {
          if constexpr (requires { v.size(); v.front(); } && !std::is_same_v<std::decay_t<decltype(v)>, std::string>)
            text += v.size() > 6 ? fmt::format("<{} values>", v.size()) : fmt::format("[{}]", fmt::join(v, ","));
          else
            text += fmt::format("{}", v);
        },
        value);
  }
  return text;
}

}  // namespace cairn
