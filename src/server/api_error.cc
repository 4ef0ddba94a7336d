#include "server/api_error.h"

#include "server/bounded_json.h"

namespace cairn::server {
namespace {

const char* error_type(int status) {
  switch (status) {
    case 400:
      return "BadRequestError";
    case 401:
      return "AuthenticationError";
    case 404:
      return "NotFoundError";
    case 429:
      return "RateLimitError";
    case 503:
      return "ServiceUnavailableError";
    default:
      return status < 500 ? "BadRequestError" : "InternalServerError";
  }
}

}  // namespace

int http_status(ErrorKind kind) {
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
      break;
  }
  return 500;
}

std::string error_body(int status, const std::string& message, const std::string& param) {
  return to_text({{"error",
                   {{"message", message},
                    {"type", error_type(status)},
                    {"param", param.empty() ? Json(nullptr) : Json(param)},
                    {"code", status}}}});
}

Reply error_reply(int status, const std::string& message, const std::string& param) {
  Reply reply;
  reply.status = status;
  reply.body = error_body(status, message, param);
  if (status == 429 || status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

Reply error_reply(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ApiError& api) {
    return error_reply(api.status(), api.what(), api.param());
  } catch (const Error& known) {
    return error_reply(http_status(known.kind()), known.what());
  } catch (...) {
    return error_reply(500, "internal error");
  }
}

}  // namespace cairn::server
