// Log-probabilities as the API shows them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/outputs.h"
#include "model/tokenizer/tokenizer.h"
#include "server/bounded_json.h"

namespace cairn::server {

/// Raw bytes of a token; none for an id that the tokenizer does not have (a padded vocabulary).
std::string token_bytes(const Tokenizer& tokenizer, int id);
/// UTF-8 text of a token; ill-formed bytes become U+FFFD.
std::string token_text(const Tokenizer& tokenizer, int id);

/// One entry of a chat choice's logprobs.content: {token, logprob, bytes, top_logprobs: [{token, logprob, bytes}]}.
Json chat_logprob(const Tokenizer& tokenizer, const PositionLogprobs& position);

/// A completion choice's logprobs, position after position: tokens, token_logprobs, top_logprobs, text_offset (in
/// characters). A token that is no whole text is spelt "bytes:\xe4\xbd", so that keys stay apart.
class CompletionLogprobs {
 public:
  explicit CompletionLogprobs(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void add(const PositionLogprobs& position);
  /// A token without log-probability: the first of a prompt.
  void add_bare(int token_id);
  /// What was added since the last call; offsets go on.
  Json take();

 private:
  void add_token(int token_id);

  const Tokenizer& tokenizer_;
  std::size_t offset_ = 0;
  Json tokens_ = Json::array(), token_logprobs_ = Json::array(), top_logprobs_ = Json::array(),
       offsets_ = Json::array();
};

/// prompt_logprobs: [null, {"id": {logprob, rank, decoded_token}, …}, …].
Json prompt_logprobs(const Tokenizer& tokenizer, const std::vector<std::optional<PositionLogprobs>>& positions);

}  // namespace cairn::server
