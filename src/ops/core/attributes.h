// Attributes of graph nodes: small named constants.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cairn {

using AttributeValue = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>, std::vector<double>>;

/// A small ordered map; nodes have a handful of attributes.
class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, AttributeValue>> entries) : entries_(entries) {}

  void set(std::string name, AttributeValue value);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// The attribute as T (int64_t, double, std::string, vectors of both). Throws internal when it is absent or of another type.
  template <typename T>
  const T& get(std::string_view name) const;
  template <typename T>
  T get_or(std::string_view name, T fallback) const {
    return has(name) ? get<T>(name) : fallback;
  }
  const std::vector<std::pair<std::string, AttributeValue>>& entries() const { return entries_; }
  bool operator==(const Attributes&) const = default;

 private:
  const AttributeValue* find(std::string_view name) const;
  [[noreturn]] static void missing(std::string_view name);
  std::vector<std::pair<std::string, AttributeValue>> entries_;
};

template <typename T>
const T& Attributes::get(std::string_view name) const {
  const AttributeValue* value = find(name);
  const T* typed = value ? std::get_if<T>(value) : nullptr;
  if (!typed) missing(name);
  return *typed;
}

/// "eps=1e-05, heads=9"; vectors are abbreviated.
std::string to_string(const Attributes& attributes);

}  // namespace cairn
