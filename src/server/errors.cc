#include "server/errors.h"

#include <new>
#include <nlohmann/json.hpp>

namespace cairn {
namespace {

const char* type_name(int status) {
  switch (status) {
    case 401:
      return "AuthenticationError";
    case 404:
      return "NotFoundError";
    case 405:
      return "MethodNotAllowedError";
    case 413:
    case 431:
      return "RequestTooLargeError";
    case 429:
      return "RateLimitError";
    case 503:
      return "ServiceUnavailableError";
    default:
      return status < 500 ? "BadRequestError" : "InternalServerError";
  }
}

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument:
    case ErrorKind::unsupported:
      return 400;
    case ErrorKind::not_found:
      return 404;
    case ErrorKind::resource_exhausted:
      return 429;
    case ErrorKind::cancelled:
      return 503;
    case ErrorKind::internal:
      return 500;
  }
  return 500;
}

}  // namespace

std::string error_body(int status, const std::string& message, const std::string& param) {
  nlohmann::ordered_json error = {{"message", message}, {"type", type_name(status)}, {"param", nullptr}};
  if (!param.empty()) error["param"] = param;
  error["code"] = status;
  const nlohmann::ordered_json body = {{"error", std::move(error)}};
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

HttpResponse error_response(int status, const std::string& message, const std::string& param) {
  HttpResponse response;
  response.status = status;
  response.body = error_body(status, message, param);
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

HttpResponse error_response(const std::exception& error) {
  if (const auto* http = dynamic_cast<const HttpError*>(&error)) {
    return error_response(http->status(), http->what(), http->param());
  }
  if (const auto* known = dynamic_cast<const Error*>(&error)) {
    return error_response(status_of(known->kind()), known->what());
  }
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return error_response(503, "the server has no memory for this request");
  }
  return error_response(500, error.what());
}

}  // namespace cairn
