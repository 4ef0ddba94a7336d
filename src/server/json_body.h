// Request bodies: JSON with bounds on nesting, size and work.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace cairn {

using Json = nlohmann::ordered_json;  // templates see the members in the order that the client wrote

struct JsonLimits {
  int depth = 64;
  std::size_t values = 4'000'000;            // of any kind, in all
  std::size_t member_squares = 100'000'000;  // sum over objects of members^2: looking up a member is linear
};

/// Parses a request body, which must be an object. Throws HttpError 400 saying where it goes wrong.
Json parse_json_body(std::string_view text, const JsonLimits& limits = {});

/// Compact text; ill-formed UTF-8 becomes U+FFFD.
std::string to_text(const Json& value);

}  // namespace cairn
