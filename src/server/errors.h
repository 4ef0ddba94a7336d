// Errors on the wire: vLLM's error body, and the one mapping from cairn::ErrorKind to HTTP status.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include "base/error.h"
#include "server/http_message.h"

namespace cairn {

/// An answer other than success, thrown by handlers.
class HttpError : public std::runtime_error {
 public:
  /// `param` names the request's field at fault, if there is one.
  HttpError(int status, const std::string& message, std::string param = {})
      : std::runtime_error(message), status_(status), param_(std::move(param)) {}
  int status() const noexcept { return status_; }
  const std::string& param() const noexcept { return param_; }

 private:
  int status_;
  std::string param_;
};

/// Throws HttpError 400 about a field of the request.
template <typename... Args>
[[noreturn]] void fail_field(std::string field, fmt::format_string<Args...> format, Args&&... args) {
  throw HttpError(400, fmt::format(format, std::forward<Args>(args)...), std::move(field));
}

/// {"error": {"message", "type", "param", "code"}}, with vLLM's type for that status.
std::string error_body(int status, const std::string& message, const std::string& param = {});
/// A whole response with that body; 429 and 503 say Retry-After.
HttpResponse error_response(int status, const std::string& message, const std::string& param = {});
/// The response to an exception that ended a handler; what is not known becomes 500.
HttpResponse error_response(const std::exception& error);

}  // namespace cairn
