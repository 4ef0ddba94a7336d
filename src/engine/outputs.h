// What the engine gives back for a request, piece by piece.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace cairn {

enum class FinishReason { stop, length, abort, error };
/// "stop", "length", "abort", "error".
const char* to_string(FinishReason reason);

struct TokenLogprob {
  int token_id = 0;
  float logprob = 0;  // natural log-softmax of the raw logits, before penalties and temperature
  int rank = 0;       // 1 is the most likely token
};

/// The chosen token first, then the requested number of most likely tokens in order (which may repeat the chosen one).
struct PositionLogprobs {
  TokenLogprob chosen;
  std::vector<TokenLogprob> top;
};

/// One piece of one choice's answer. Concatenating the pieces of an index gives the whole answer.
struct RequestOutput {
  std::string request_id;
  int index = 0;                           // 0 .. n-1
  std::string text;                        // new text; whole UTF-8 characters
  std::vector<int> token_ids;              // new tokens
  std::vector<PositionLogprobs> logprobs;  // one a new token, when asked for
  // With the first piece of index 0, when asked for; entry 0 (the first prompt token) has none.
  std::vector<std::optional<PositionLogprobs>> prompt_logprobs;
  std::optional<FinishReason> finish_reason;
  std::variant<std::monostate, int, std::string> stop_reason;  // the stop token or stop string that ended it
  std::string error;                                           // with FinishReason::error
  int prompt_tokens = 0;
  int cached_tokens = 0;      // prompt tokens served by the prefix cache
  int completion_tokens = 0;  // of this index, so far
  bool last = false;          // no piece of any index of this request follows
};

/// Called on the engine's output thread, in order; must not block.
using OutputSink = std::function<void(RequestOutput&&)>;

}  // namespace cairn
