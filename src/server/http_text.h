// Small pieces of HTTP's text.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cairn::server {

/// The path of a request's target: without query and fragment, percent-decoded. What is no valid escape stays as it is.
std::string target_path(std::string_view target);
/// "Not Found" for 404; "Unknown" for a status that the server never sends.
std::string_view reason_phrase(int status);
/// The time as the header Date has it.
std::string http_date();
/// One chunk of a chunked body; `data` is not empty.
std::string chunk(std::string_view data);
/// Whether the value of the header Authorization carries one of the keys as bearer token. Takes the same time for all
/// wrong keys of a length.
bool has_key(std::string_view authorization, std::span<const std::string> keys);
/// Header lines for a request from `origin` ("" for none).
std::string cors_headers(std::string_view origin, std::span<const std::string> allowed);

}  // namespace cairn::server
