// POST /v1/chat/completions: the request.
#pragma once

#include "server/chat_prompt.h"
#include "server/generation_request.h"

namespace cairn {

struct ChatRequest {
  GenerationRequest common;
  ChatPrompt prompt;
};

/// Throws HttpError 400 naming the field.
ChatRequest parse_chat_request(Fields& fields, const ServingContext& context, bool trust_request_template);

}  // namespace cairn
