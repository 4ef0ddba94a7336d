#include "server/http_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <cctype>
#include <ctime>

namespace cairn::server {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool begins_with_scheme(std::string_view target, std::string_view scheme) {
  return target.size() >= scheme.size() &&
         std::ranges::equal(target.substr(0, scheme.size()), scheme,
                            [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

// A target in absolute form (RFC 9112, 3.2.2) means the same as its path.
std::string_view without_authority(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!begins_with_scheme(target, scheme)) continue;
    target.remove_prefix(scheme.size());
    target.remove_prefix(std::min(target.find_first_of("/?#"), target.size()));
    return target.starts_with('/') ? target : "/";
  }
  return target;
}

bool equal_in_constant_time(std::string_view given, std::string_view key) {
  unsigned difference = given.size() == key.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |=
        static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(key[key.empty() ? 0 : i % key.size()]);
  }
  return difference == 0;
}

}  // namespace

std::string target_path(std::string_view target) {
  target = without_authority(target);
  target = target.substr(0, target.find_first_of("?#"));
  std::string path;
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (target[i] == '%' && i + 2 < target.size()) {
      const int high = hex_digit(target[i + 1]), low = hex_digit(target[i + 2]);
      if (high >= 0 && low >= 0) {
        path += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    path += target[i];
  }
  return path;
}

std::string_view reason_phrase(int status) {
  const auto known = boost::beast::http::int_to_status(static_cast<unsigned>(status));
  const auto text = boost::beast::http::obsolete_reason(known);
  return {text.data(), text.size()};
}

std::string http_date() { return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr))); }

std::string chunk(std::string_view data) { return fmt::format("{:x}\r\n{}\r\n", data.size(), data); }

bool has_key(std::string_view authorization, std::span<const std::string> keys) {
  constexpr std::string_view kScheme = "bearer ";
  if (!begins_with_scheme(authorization, kScheme)) return false;
  const std::string_view given = authorization.substr(kScheme.size());
  bool found = false;
  for (const std::string& key : keys) found |= !key.empty() && equal_in_constant_time(given, key);
  return found;
}

std::string cors_headers(std::string_view origin, std::span<const std::string> allowed) {
  if (std::ranges::find(allowed, "*") != allowed.end()) return "Access-Control-Allow-Origin: *\r\n";
  if (origin.empty()) return "";
  if (std::ranges::find(allowed, origin) == allowed.end()) return "Vary: Origin\r\n";
  return fmt::format("Access-Control-Allow-Origin: {}\r\nVary: Origin\r\n", origin);
}

}  // namespace cairn::server
