// Errors as the API shows them: vLLM's bodies and status codes.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

#include "base/error.h"
#include "server/http_types.h"

namespace cairn::server {

/// An error with its HTTP status. The type's name follows from the status, as vLLM's does.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, const std::string& message, std::string param = "")
      : std::runtime_error(message), status_(status), param_(std::move(param)) {}
  int status() const noexcept { return status_; }
  const std::string& param() const noexcept { return param_; }

 private:
  int status_;
  std::string param_;
};

/// The one mapping from error kinds to HTTP: invalid_argument and unsupported 400, not_found 404, resource_exhausted
/// 429, cancelled 503, internal 500.
int http_status(ErrorKind kind);

/// {"error": {"message", "type", "param", "code"}}; param is null when empty.
std::string error_body(int status, const std::string& message, const std::string& param = "");

/// The reply to any exception; one that is no cairn::Error or ApiError is our bug and tells the client no detail.
Reply error_reply(const std::exception_ptr& error);
Reply error_reply(int status, const std::string& message, const std::string& param = "");

}  // namespace cairn::server
