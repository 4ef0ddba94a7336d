// Typed access to the JSON files beside the weights, with errors that name file and key.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

/// One object of a file; refers to both arguments. A key whose value is null counts as absent, as in transformers.
/// Throws invalid_argument for a value of another type: no number is rounded, wrapped or read from a string.
class ConfigFields {
 public:
  ConfigFields(const nlohmann::json& object, std::string_view file);

  bool has(const char* key) const { return find(key) != nullptr; }
  /// The value, or nullptr when it is absent.
  const nlohmann::json* find(const char* key) const;

  std::int64_t integer(const char* key) const;  // throws when absent
  double real(const char* key) const;           // likewise
  std::string text(const char* key) const;      // likewise
  std::optional<std::int64_t> integer_if(const char* key) const;
  std::optional<double> real_if(const char* key) const;
  std::optional<std::string> text_if(const char* key) const;
  bool boolean_or(const char* key, bool fallback) const;

 private:
  const nlohmann::json* object_;
  std::string_view file_;
};

}  // namespace cairn
