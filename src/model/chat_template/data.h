// The caller's JSON as template values.
#pragma once

#include <nlohmann/json.hpp>

#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

/// Texts view into `data`, which must outlive the context. Fails for data nested deeper than the limits allow.
Value from_json(RenderContext& context, const nlohmann::ordered_json& data);

}  // namespace cairn::jinja
