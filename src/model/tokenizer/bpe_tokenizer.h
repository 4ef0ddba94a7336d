// The byte-level BPE tokenizer: parts put together behind the Tokenizer interface.
#pragma once

#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/tokenizer_parts.h"

namespace cairn {

class BpeTokenizer final : public Tokenizer {
 public:
  /// Checks the special ids of `data` against the parts. Throws invalid_argument naming the field.
  BpeTokenizer(TokenizerParts parts, const TokenizerData& data);

  std::vector<int> encode(std::string_view text, bool add_special_tokens) const override;
  std::string decode(std::span<const int> ids, bool skip_special_tokens) const override;
  std::string_view token_bytes(int id) const override { return parts_.vocabulary->bytes(id); }
  std::string_view token_text(int id) const override { return parts_.vocabulary->text(id); }
  bool is_special(int id) const override;
  std::optional<int> token_id(std::string_view text) const override { return parts_.vocabulary->find(text); }
  int vocab_size() const override { return parts_.vocabulary->size(); }
  std::optional<int> bos_token_id() const override { return bos_; }
  std::optional<int> eos_token_id() const override { return eos_; }

 private:
  std::optional<int> checked(std::optional<int> id, const char* name) const;

  TokenizerParts parts_;
  std::optional<int> bos_, eos_;
  std::vector<bool> special_;                  // by id
  AddedTokenMatcher raw_, after_normalizing_;  // by whether a token is matched before or after normalization
};

}  // namespace cairn
