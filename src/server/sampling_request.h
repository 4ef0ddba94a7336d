// The part of a request that chat and completions share: sampling parameters and streaming.
#pragma once

#include <optional>
#include <string>

#include "engine/sampling_params.h"
#include "model/checkpoint/checkpoint.h"
#include "server/fields.h"

namespace cairn::server {

struct SharedRequest {
  std::string model;      // empty: not named
  SamplingParams params;  // ranges unchecked; max_tokens as asked for, none when not
  int priority = 0;
  std::string cache_salt;
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;
};

/// Reads everything but log-probabilities, which the two endpoints spell differently. What is not given comes from
/// `defaults`. Throws ApiError 400 for wrong types and for features that are not there.
SharedRequest read_shared_request(const Fields& fields, const GenerationConfig& defaults);

/// Completes params.max_tokens once the prompt's length is known: what is asked for, or `fallback`, or the rest of the
/// context. Throws ApiError 400 in vLLM's words, naming both lengths, when the prompt or the sum is too long.
void fit_max_tokens(SamplingParams& params, std::size_t prompt_tokens, std::int64_t max_model_len,
                    std::optional<int> fallback);

}  // namespace cairn::server
