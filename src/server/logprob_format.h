// Log-probabilities in the shapes of the API.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/outputs.h"
#include "server/json_body.h"
#include "server/token_text.h"

namespace cairn {

/// Chat: [{token, logprob, bytes, top_logprobs: [{token, logprob, bytes}…]}…].
Json chat_logprobs(std::span<const PositionLogprobs> positions, const TokenText& tokens);

/// Both: null for the first prompt token, then {"id": {logprob, rank, decoded_token}…} for each.
Json prompt_logprobs(std::span<const std::optional<PositionLogprobs>> positions, const TokenText& tokens);

/// Completions: parallel lists tokens, token_logprobs, top_logprobs, text_offset, in pieces that may be sent one by one.
class CompletionLogprobs {
 public:
  CompletionLogprobs() { clear(); }
  /// The next token. Without a position it has no log-probability: the first token of an echoed prompt. Alternatives
  /// beyond `top` are left out.
  void add(int token, const PositionLogprobs* position, int top, const TokenText& tokens);
  /// What was added since the last call; offsets go on.
  Json take();

 private:
  void clear();

  Json tokens_, token_logprobs_, top_logprobs_, text_offsets_;
  std::size_t offset_ = 0;  // characters before the next token
};

}  // namespace cairn
