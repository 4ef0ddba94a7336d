#include "model/checkpoint/config_fields.h"

#include <limits>

#include "base/error.h"

namespace cairn {
namespace {

[[noreturn]] void wrong_type(std::string_view file, const char* key, const nlohmann::json& value,
                             const char* expected) {
  std::string shown = value.dump();
  if (shown.size() > 60) shown = shown.substr(0, 60) + "…";
  fail_invalid("{}: key '{}' holds {}; {} is expected", file, key, shown, expected);
}

}  // namespace

ConfigFields::ConfigFields(const nlohmann::json& object, std::string_view file) : object_(&object), file_(file) {
  if (!object.is_object()) fail_invalid("{}: a JSON object is expected", file);
}

const nlohmann::json* ConfigFields::find(const char* key) const {
  auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::int64_t> ConfigFields::integer_if(const char* key) const {
  const nlohmann::json* value = find(key);
  if (!value) return std::nullopt;
  bool too_large = value->is_number_unsigned() &&
                   value->get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value->is_number_integer() || too_large) wrong_type(file_, key, *value, "an integer");
  return value->get<std::int64_t>();
}

std::optional<double> ConfigFields::real_if(const char* key) const {
  const nlohmann::json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number()) wrong_type(file_, key, *value, "a number");
  return value->get<double>();
}

std::optional<std::string> ConfigFields::text_if(const char* key) const {
  const nlohmann::json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) wrong_type(file_, key, *value, "a string");
  return value->get<std::string>();
}

bool ConfigFields::boolean_or(const char* key, bool fallback) const {
  const nlohmann::json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) wrong_type(file_, key, *value, "true or false");
  return value->get<bool>();
}

std::int64_t ConfigFields::integer(const char* key) const {
  auto value = integer_if(key);
  if (!value) fail_invalid("{}: key '{}' is missing", file_, key);
  return *value;
}

double ConfigFields::real(const char* key) const {
  auto value = real_if(key);
  if (!value) fail_invalid("{}: key '{}' is missing", file_, key);
  return *value;
}

std::string ConfigFields::text(const char* key) const {
  auto value = text_if(key);
  if (!value) fail_invalid("{}: key '{}' is missing", file_, key);
  return *value;
}

}  // namespace cairn
