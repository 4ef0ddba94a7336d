// Checked access to JSON fields, with errors that name the path ("tokenizer.json: model.merges[3]: …").
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

/// A JSON value and where it stands. A view: the document must outlive it.
class JsonField {
 public:
  JsonField(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& path() const { return path_; }

  /// The member `key`; nullopt when it is absent or null. Throws invalid_argument when this is not an object.
  std::optional<JsonField> find(const char* key) const;
  /// The member `key`; throws invalid_argument when it is absent or null.
  JsonField at(const char* key) const;
  /// Element `index` of an array whose size the caller has checked.
  JsonField operator[](std::size_t index) const;

  /// Each throws invalid_argument when the value is of another type (or out of the type's range).
  std::size_t array_size() const;
  const std::string& text() const;
  std::int64_t integer() const;
  bool flag(const char* key, bool missing) const;

  [[noreturn]] void fail_expected(std::string_view expected) const;
  [[noreturn]] void fail_unsupported(std::string_view message) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
};

}  // namespace cairn
