// A request and a reply as routes see them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cairn::server {

struct HttpRequest {
  std::string method;  // as written: "GET"
  std::string path;    // percent-decoded, without the query
  std::string body;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // beyond those that every reply has
};

}  // namespace cairn::server
