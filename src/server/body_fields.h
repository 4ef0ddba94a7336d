// Typed access to the members of a request body, with errors that name the field, what it holds and what it may hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/json_body.h"

namespace cairn {

/// Reads one JSON object. null counts as absent, as OpenAI's clients send it. Remembers what was asked for, so that the
/// rest can be reported. All getters throw HttpError 400 for a value of another type. A view: `object` must outlive it.
class Fields {
 public:
  /// `path` goes before the names in messages, e.g. "stream_options.".
  explicit Fields(const Json& object, std::string path = {}) : object_(object), path_(std::move(path)) {}

  /// The member's value; null when absent.
  const Json* find(const char* name);
  const Json* find_object(const char* name);
  const Json* find_array(const char* name);
  std::optional<bool> flag(const char* name);
  std::optional<std::int64_t> integer(const char* name);
  std::optional<int> int32(const char* name);
  std::optional<double> number(const char* name);
  std::optional<std::string> text(const char* name);
  /// A string or a list of strings.
  std::vector<std::string> texts(const char* name);
  std::vector<int> integers(const char* name);

  /// Throws 400 "unsupported" when the member is there and asks for something: it is not false, empty or 0.
  void refuse(const char* name);
  /// Members that nothing asked for.
  std::vector<std::string> unread() const;

  [[noreturn]] void fail_type(const char* name, const char* accepted, const Json& given) const;

 private:
  const Json& object_;
  std::string path_;
  std::vector<std::string> read_;
};

/// A short form of a value for messages, e.g. `the string "hot"`.
std::string describe_value(const Json& value);

}  // namespace cairn
