// What chat completions and completions have in common: the model, streaming, and the sampling parameters.
#pragma once

#include <string>

#include "engine/sampling_params.h"
#include "model/checkpoint/checkpoint.h"
#include "server/body_fields.h"

namespace cairn {

struct GenerationRequest {
  std::string model;  // "" when not given
  bool stream = false;
  bool include_usage = false;           // stream_options
  bool continuous_usage_stats = false;  // stream_options
  bool tokens_as_ids = false;           // return_tokens_as_token_ids: "token_id:N" in log-probabilities
  int priority = 0;
  std::string cache_salt;
  SamplingParams params;  // but for max_tokens and logprobs, which the two read differently
};

/// Reads the common fields. `defaults` holds where the request is silent. Throws HttpError 400 naming the field.
GenerationRequest parse_generation(Fields& fields, const GenerationConfig& defaults);

/// Checks the prompt's length, and its sum with max_tokens, in vLLM's words. Throws HttpError 400 naming both.
void check_length(std::int64_t prompt_tokens, const SamplingParams& params, std::int64_t max_model_len);

}  // namespace cairn
