#include "server/body_fields.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "server/errors.h"

namespace cairn {
namespace {

constexpr std::size_t kShownBytes = 64;

// JSON knows one kind of number, so 16.0 is an integer.
std::optional<std::int64_t> as_integer(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto number = value.get<double>();
  if (std::trunc(number) != number || std::abs(number) > 9007199254740992.0) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<int> as_int32(const Json& value) {
  const auto number = as_integer(value);
  if (!number || *number < std::numeric_limits<int>::min() || *number > std::numeric_limits<int>::max()) {
    return std::nullopt;
  }
  return static_cast<int>(*number);
}

}  // namespace

std::string describe_value(const Json& value) {
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  if (value.is_object()) return "an object";
  if (value.is_null()) return "null";
  std::string text = to_text(value);
  if (text.size() > kShownBytes) {
    text.resize(kShownBytes);
    text.resize(complete_utf8_prefix(text));
    text += "…";
  }
  return fmt::format("the {} {}", value.type_name(), text);
}

void Fields::fail_type(const char* name, const char* accepted, const Json& given) const {
  const std::string field = path_ + name;
  fail_field(field, "`{}` must be {}, got {}", field, accepted, describe_value(given));
}

const Json* Fields::find(const char* name) {
  read_.emplace_back(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const Json* Fields::find_object(const char* name) {
  const Json* value = find(name);
  if (value && !value->is_object()) fail_type(name, "an object", *value);
  return value;
}

const Json* Fields::find_array(const char* name) {
  const Json* value = find(name);
  if (value && !value->is_array()) fail_type(name, "a list", *value);
  return value;
}

std::optional<bool> Fields::flag(const char* name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) fail_type(name, "a boolean", *value);
  return value->get<bool>();
}

std::optional<std::int64_t> Fields::integer(const char* name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  const auto number = as_integer(*value);
  if (!number) fail_type(name, "a 64-bit integer", *value);
  return number;
}

std::optional<int> Fields::int32(const char* name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  const auto number = as_int32(*value);
  if (!number) fail_type(name, "a 32-bit integer", *value);
  return number;
}

std::optional<double> Fields::number(const char* name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number()) fail_type(name, "a number", *value);
  return value->get<double>();
}

std::optional<std::string> Fields::text(const char* name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) fail_type(name, "a string", *value);
  return value->get<std::string>();
}

std::vector<std::string> Fields::texts(const char* name) {
  const Json* value = find(name);
  if (!value) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array()) fail_type(name, "a string or a list of strings", *value);
  std::vector<std::string> texts;
  for (const Json& item : *value) {
    if (!item.is_string()) fail_type(name, "a string or a list of strings", item);
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

std::vector<int> Fields::integers(const char* name) {
  const Json* value = find_array(name);
  if (!value) return {};
  std::vector<int> numbers;
  numbers.reserve(value->size());
  for (const Json& item : *value) {
    const auto number = as_int32(item);
    if (!number) fail_type(name, "a list of integers", item);
    numbers.push_back(*number);
  }
  return numbers;
}

void Fields::refuse(const char* name) {
  const Json* value = find(name);
  if (!value) return;
  const bool asks_nothing = (value->is_structured() && value->empty()) || *value == false || *value == 0 || *value == "";
  if (asks_nothing) return;
  const std::string field = path_ + name;
  fail_field(field, "unsupported: `{}` is not available; leave it out (got {})", field, describe_value(*value));
}

std::vector<std::string> Fields::unread() const {
  std::vector<std::string> names;
  for (const auto& member : object_.items()) {
    if (std::ranges::find(read_, member.key()) == read_.end()) names.push_back(member.key());
  }
  return names;
}

}  // namespace cairn
