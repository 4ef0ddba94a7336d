// The filter tojson as Hugging Face defines it: Python's json.dumps.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

struct JsonStyle {
  bool ensure_ascii = false;
  std::optional<std::string> indent;  // of one level; on one line when absent
  std::string_view item_separator = ", ";
  std::string_view key_separator = ": ";
  bool sort_keys = false;
};

/// Fails for values that have no JSON form (undefined, macros, lazy results).
std::string to_json(RenderContext& context, const Value& value, const JsonStyle& style);

}  // namespace cairn::jinja
