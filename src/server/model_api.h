// Handlers about the model itself: /v1/models, /tokenize, /detokenize, /reset_prefix_cache.
#pragma once

#include "server/serving_state.h"

namespace cairn {

Reply list_models(const HttpRequest& request, ServingState& state);
/// GET /v1/models/{id}.
Reply show_model(const HttpRequest& request, ServingState& state);
Reply tokenize(const HttpRequest& request, ServingState& state);
Reply detokenize(const HttpRequest& request, ServingState& state);
Reply reset_prefix_cache(const HttpRequest& request, ServingState& state);

/// Throws HttpError 404 when `name` is given and none of the model's.
void check_model_name(const ServedModel& model, const std::string& name);

}  // namespace cairn
