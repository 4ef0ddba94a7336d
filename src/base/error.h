// The one error type of Cairn.
//
// An operation that cannot finish throws cairn::Error. Expected outcomes (no free block, cache miss, end of stream) are
// return values. The edges map a kind once: server to HTTP status, cli to exit code.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace cairn {

enum class ErrorKind {
  invalid_argument,    // the caller's input is wrong; the message names it and what would be accepted
  not_found,           // a named thing (file, model, tensor) does not exist
  unsupported,         // understood, but this build or machine does not do it
  resource_exhausted,  // memory, queue or other limit reached
  cancelled,           // stopped on request
  internal,            // our bug
};

/// The kind's name as it appears in messages, e.g. "invalid argument".
const char* to_string(ErrorKind kind);

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

/// Throws Error{kind, formatted message}. The message names the offending thing, the limit and the remedy.
template <typename... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void fail_invalid(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorKind::invalid_argument, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace cairn
