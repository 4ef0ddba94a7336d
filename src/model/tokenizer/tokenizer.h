// Byte-level BPE tokenizers, and the streaming detokenizer.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint/checkpoint.h"

namespace cairn {

/// A byte-level BPE tokenizer with the results of Hugging Face's tokenizers library. Immutable once made; safe to use
/// from many threads at once.
class Tokenizer {
 public:
  /// Builds from tokenizer.json when data.json is set, else from GGUF's lists. BOS and EOS come from tokenizer.json's
  /// post-processor, and from data.add_bos_token / add_eos_token where that adds none at its end of the text. Truncation
  /// and padding settings are not applied. Throws invalid_argument (damaged or contradictory) or unsupported (another
  /// tokenizer model, an unknown step or pre-tokenizer name, with the known ones), naming the field.
  static std::unique_ptr<const Tokenizer> create(const TokenizerData& data);
  virtual ~Tokenizer() = default;

  /// Token ids of UTF-8 `text`, whose ill-formed sequences count as U+FFFD. Added tokens written in the text are
  /// recognised, special ones ("<|im_end|>") too. `add_special_tokens` applies the post-processor (BOS/EOS) where the model
  /// has one.
  /// Time is near linear in the text. Throws resource_exhausted when the model's own pattern backtracks without end.
  virtual std::vector<int> encode(std::string_view text, bool add_special_tokens) const = 0;
  /// UTF-8 text of `ids`; ill-formed bytes become U+FFFD. Throws invalid_argument for an id that no token has, as the
  /// padding rows of an embedding (ids from vocab_size() up) are.
  virtual std::string decode(std::span<const int> ids, bool skip_special_tokens) const = 0;
  /// Raw bytes of one token as decode() would emit them (may be part of a UTF-8 character). Special tokens give their
  /// text. Valid while the tokenizer lives; throws as decode().
  virtual std::string_view token_bytes(int id) const = 0;
  /// The token as the vocabulary spells it (e.g. "Ġthe"); lifetime and errors as token_bytes().
  virtual std::string_view token_text(int id) const = 0;
  /// Whether decode() may skip the token; throws as decode().
  virtual bool is_special(int id) const = 0;
  /// The id of a token by its spelling (token_text()), added tokens included.
  virtual std::optional<int> token_id(std::string_view text) const = 0;
  /// One more than the largest id; ids between may be free.
  virtual int vocab_size() const = 0;
  virtual std::optional<int> bos_token_id() const = 0;
  virtual std::optional<int> eos_token_id() const = 0;
};

/// Turns a growing sequence of tokens into text pieces, never emitting part of a UTF-8 character.
/// The concatenation of all push() results and flush() equals decode() of all tokens. One for each sequence, used by one
/// thread at a time; the tokenizer must outlive it.
class StreamDetokenizer {
 public:
  StreamDetokenizer(const Tokenizer& tokenizer, bool skip_special_tokens);
  /// Text that `id` completes; empty while a character is unfinished. Throws invalid_argument for an unknown id.
  std::string push(int id);
  /// What is still held back, with ill-formed bytes replaced. Starts afresh afterwards.
  std::string flush();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::string pending_;
};

}  // namespace cairn
