// Reads a template into its tree.
#pragma once

#include <memory>
#include <string_view>

#include "model/chat_template/ast.h"
#include "model/chat_template/chat_template.h"

namespace cairn::jinja {

/// Throws invalid_argument, or resource_exhausted for deeper nesting than `limits` allow, with "chat template line N:
/// …". Tags that Hugging Face's environment knows and Cairn does not (include, import, extends, block, autoescape,
/// recursive loops) throw unsupported.
std::unique_ptr<const Program> parse(std::string_view source, const TemplateLimits& limits);

}  // namespace cairn::jinja
