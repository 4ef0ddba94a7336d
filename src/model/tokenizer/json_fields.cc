#include "model/tokenizer/json_fields.h"

#include <limits>

#include "base/error.h"

namespace cairn {

std::optional<JsonField> JsonField::find(const char* key) const {
  if (!value_->is_object()) fail_expected("an object");
  auto found = value_->find(key);
  if (found == value_->end() || found->is_null()) return std::nullopt;
  return JsonField(*found, path_.empty() ? std::string(key) : path_ + "." + key);
}

JsonField JsonField::at(const char* key) const {
  std::optional<JsonField> found = find(key);
  if (!found) fail_invalid("tokenizer.json: {}{}{} is missing", path_, path_.empty() ? "" : ".", key);
  return *found;
}

JsonField JsonField::operator[](std::size_t index) const {
  return JsonField((*value_)[index], path_ + "[" + std::to_string(index) + "]");
}

std::size_t JsonField::array_size() const {
  if (!value_->is_array()) fail_expected("an array");
  return value_->size();
}

const std::string& JsonField::text() const {
  if (!value_->is_string()) fail_expected("a string");
  return value_->get_ref<const std::string&>();
}

std::int64_t JsonField::integer() const {
  if (!value_->is_number_integer()) fail_expected("an integer");
  if (value_->is_number_unsigned() && value_->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())
    fail_expected("an integer below 2^63");
  return value_->get<std::int64_t>();
}

bool JsonField::flag(const char* key, bool missing) const {
  std::optional<JsonField> found = find(key);
  if (!found) return missing;
  if (!found->value().is_boolean()) found->fail_expected("true or false");
  return found->value().get<bool>();
}

void JsonField::fail_expected(std::string_view expected) const {
  fail_invalid("tokenizer.json: {}: expected {}, found {}", path_.empty() ? "the document" : path_, expected,
               value_->type_name());
}

void JsonField::fail_unsupported(std::string_view message) const {
  fail(ErrorKind::unsupported, "tokenizer.json: {}: {}", path_, message);
}

}  // namespace cairn
