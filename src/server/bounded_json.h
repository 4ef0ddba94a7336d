// JSON from strangers: bounded in depth, in values, and in time whatever the members of its objects.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

namespace cairn::server {

using Json = nlohmann::ordered_json;

struct JsonLimits {
  std::size_t max_depth = 64;
  std::int64_t max_values = 4'000'000;
};

/// Parses a whole document, keeping members in order; of equal keys the last one counts. Takes time near linear in the
/// text and uses no stack for nesting. Throws invalid_argument with `what` and the position for malformed text (ill-formed
/// UTF-8 is malformed) and for a document beyond the limits.
Json parse_json(std::string_view text, JsonLimits limits = {}, std::string_view what = "the request's body");

/// Compact text; ill-formed UTF-8 in strings becomes U+FFFD.
std::string to_text(const Json& value);

}  // namespace cairn::server
