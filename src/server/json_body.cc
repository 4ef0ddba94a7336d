#include "server/json_body.h"

#include <vector>

#include "server/errors.h"

namespace cairn {
namespace {

// Looks at the brackets and commas only, before any memory is spent on values. What is not JSON at all passes; the parser
// finds it.
void check_shape(std::string_view text, const JsonLimits& limits) {
  std::vector<std::size_t> open;  // commas seen in each open bracket
  std::size_t values = 1, squares = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"':
        for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\';
        break;
      case '[':
      case '{':
        if (static_cast<int>(open.size()) >= limits.depth) {
          throw HttpError(400, fmt::format("The request body is nested too deeply: at most {} levels", limits.depth));
        }
        open.push_back(0);
        ++values;
        break;
      case ',':
        ++values;
        if (!open.empty()) ++open.back();
        break;
      case ']':
      case '}':
        if (open.empty()) return;
        if (text[i] == '}') squares += (open.back() + 1) * (open.back() + 1);
        open.pop_back();
        break;
      default:
        break;
    }
    if (values > limits.values || squares > limits.member_squares) {
      throw HttpError(400, "The request body holds too many values");
    }
  }
}

}  // namespace

Json parse_json_body(std::string_view text, const JsonLimits& limits) {
  check_shape(text, limits);
  Json body;
  try {
    body = Json::parse(text);
  } catch (const Json::exception& error) {
    const std::string_view what = error.what();
    throw HttpError(400, fmt::format("The request body is not valid JSON: {}", what.substr(what.find("] ") + 2)));
  }
  if (!body.is_object()) {
    throw HttpError(400, fmt::format("The request body must be a JSON object, got {}", body.type_name()));
  }
  return body;
}

std::string to_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace cairn
