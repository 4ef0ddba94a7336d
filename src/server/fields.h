// Reading a request's fields: the right type, or an error that names field, value and what would be accepted.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/bounded_json.h"

namespace cairn::server {

/// Members of a JSON object by name. Absent and null mean the same: not given. A value of another type throws ApiError
/// 400 whose param is the field. Numbers with an integral value count as integers; booleans do not count as numbers.
class Fields {
 public:
  /// `prefix` names the object in messages ("stream_options."); empty for the body itself.
  explicit Fields(const Json& object, std::string prefix = "");

  const Json* find(std::string_view name) const;
  bool flag(std::string_view name, bool fallback) const;
  std::optional<double> number(std::string_view name) const;
  /// Within int's range.
  std::optional<int> integer(std::string_view name) const;
  std::optional<std::int64_t> long_integer(std::string_view name) const;
  std::optional<std::string> text(std::string_view name) const;
  std::vector<int> integers(std::string_view name) const;
  /// A string, or a list of strings.
  std::vector<std::string> texts(std::string_view name) const;
  /// An object, or null when not given.
  const Json* object(std::string_view name) const;
  const Json* array(std::string_view name) const;

  /// Throws the error for `value` under `name`.
  [[noreturn]] void wrong_type(std::string_view name, std::string_view accepted, const Json& value) const;

 private:
  const Json& object_;
  std::string prefix_;
};

/// `value` as an integer of that many bits, or nothing when it is none or out of range.
std::optional<std::int64_t> to_int64(const Json& value);
std::optional<int> to_int(const Json& value);

/// The integers of a list. What is none, `value` itself or an item of it, goes to `refuse`, which must throw.
std::vector<int> to_ints(const Json& value, const std::function<void(const Json&)>& refuse);

}  // namespace cairn::server
