// Handlers that run the model: /v1/chat/completions and /v1/completions.
#pragma once

#include "server/serving_state.h"

namespace cairn {

Reply chat_completions(const HttpRequest& request, ServingState& state);
Reply completions(const HttpRequest& request, ServingState& state);

}  // namespace cairn
