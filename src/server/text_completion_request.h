// POST /v1/completions: the request.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/tokenizer/tokenizer.h"
#include "server/generation_request.h"

namespace cairn {

struct CompletionPrompt {
  std::string text;
  std::vector<int> token_ids;
};

struct CompletionRequest {
  GenerationRequest common;
  std::vector<CompletionPrompt> prompts;
  bool echo = false;
  bool echo_only = false;  // echo with max_tokens 0: one token is made and thrown away, as vLLM does it
};

/// Most prompts that one request may hold.
inline constexpr std::size_t kMaxPrompts = 1024;

/// Reads the request and tokenizes its prompts. Throws HttpError 400 naming the field.
CompletionRequest parse_completion_request(Fields& fields, const GenerationConfig& defaults, const Tokenizer& tokenizer);

}  // namespace cairn
