// POST /v1/completions as asked for.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "server/sampling_request.h"

namespace cairn::server {

/// A prompt as text or as token ids.
using Prompt = std::variant<std::string, std::vector<int>>;

struct CompletionRequest {
  SharedRequest shared;  // with logprobs; with prompt_logprobs when they are to be echoed
  std::vector<Prompt> prompts;
  bool shows_prompt_logprobs = false;  // as a field of each choice, because asked for by name
  bool echo = false;
  bool echo_only = false;  // max_tokens 0: nothing but the prompt is answered
  bool add_special_tokens = true;
};

/// Throws ApiError 400, naming the field, for what is malformed or unsupported.
CompletionRequest parse_completion_request(const Json& body, const GenerationConfig& defaults);

}  // namespace cairn::server
