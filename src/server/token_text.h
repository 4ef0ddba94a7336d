// How single tokens are written in log-probabilities.
#pragma once

#include <string>

#include "model/tokenizer/tokenizer.h"

namespace cairn {

class TokenText {
 public:
  /// `as_ids`: "token_id:N" in place of texts (vLLM's return_tokens_as_token_ids).
  TokenText(const Tokenizer& tokenizer, bool as_ids) : tokenizer_(tokenizer), as_ids_(as_ids) {}

  /// The token's bytes; none for the padding rows of a vocabulary.
  std::string_view bytes(int id) const;
  /// The token as text. Bytes that are no whole characters are written as "\xe4\xbd", as OpenAI does, so that different
  /// tokens stay different.
  std::string text(int id) const;
  /// What the vocabulary calls it decoded, ill-formed bytes replaced (vLLM's decoded_token).
  std::string replaced(int id) const;

 private:
  const Tokenizer& tokenizer_;
  bool as_ids_;
};

}  // namespace cairn
