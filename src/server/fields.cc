#include "server/fields.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/text.h"
#include "server/api_error.h"

namespace cairn::server {
namespace {

std::string describe(const Json& value) {
  constexpr std::size_t kShown = 40;
  if (value.is_object()) return "an object";
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  std::string text = shorten(to_text(value), kShown);
  return value.is_string() ? "the string " + text : text;
}

}  // namespace

std::optional<std::int64_t> to_int64(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const double number = value.get<double>();
  if (!(std::abs(number) < 0x1p62) || number != std::trunc(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<int> to_int(const Json& value) {
  const std::optional<std::int64_t> number = to_int64(value);
  if (!number || *number > std::numeric_limits<int>::max() || *number < std::numeric_limits<int>::min()) {
    return std::nullopt;
  }
  return static_cast<int>(*number);
}

std::vector<int> to_ints(const Json& value, const std::function<void(const Json&)>& refuse) {
  if (!value.is_array()) refuse(value);
  std::vector<int> all;
  all.reserve(value.size());
  for (const Json& item : value) {
    const std::optional<int> number = to_int(item);
    if (!number) refuse(item);
    all.push_back(*number);
  }
  return all;
}

Fields::Fields(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {
  if (object.is_object()) return;
  const std::string what = prefix_.empty() ? "the request's body" : prefix_.substr(0, prefix_.size() - 1);
  throw ApiError(400, fmt::format("{} must be a JSON object, got {}", what, describe(object)));
}

void Fields::wrong_type(std::string_view name, std::string_view accepted, const Json& value) const {
  const std::string field = fmt::format("{}{}", prefix_, name);
  throw ApiError(400, fmt::format("{} must be {}, got {}", field, accepted, describe(value)), field);
}

const Json* Fields::find(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool Fields::flag(std::string_view name, bool fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) wrong_type(name, "true or false", *value);
  return value->get<bool>();
}

std::optional<double> Fields::number(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) wrong_type(name, "a number", *value);
  return value->get<double>();
}

std::optional<int> Fields::integer(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::optional<int> number = to_int(*value);
  if (!number) wrong_type(name, "an integer of 32 bits", *value);
  return number;
}

std::optional<std::int64_t> Fields::long_integer(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  const std::optional<std::int64_t> number = to_int64(*value);
  if (!number) wrong_type(name, "an integer of 64 bits", *value);
  return number;
}

std::optional<std::string> Fields::text(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) wrong_type(name, "a string", *value);
  return value->get<std::string>();
}

std::vector<int> Fields::integers(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return {};
  return to_ints(*value, [&](const Json& wrong) { wrong_type(name, "a list of integers", wrong); });
}

std::vector<std::string> Fields::texts(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) wrong_type(name, "a string or a list of strings", *value);
  std::vector<std::string> result;
  for (const Json& item : *value) {
    if (!item.is_string()) wrong_type(name, "a string or a list of strings", item);
    result.push_back(item.get<std::string>());
  }
  return result;
}

const Json* Fields::object(std::string_view name) const {
  const Json* value = find(name);
  if (value != nullptr && !value->is_object()) wrong_type(name, "an object", *value);
  return value;
}

const Json* Fields::array(std::string_view name) const {
  const Json* value = find(name);
  if (value != nullptr && !value->is_array()) wrong_type(name, "a list", *value);
  return value;
}

}  // namespace cairn::server
