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

/// Immutable once made; safe to use from many threads at once.
class Tokenizer {
 public:
  /// Builds from tokenizer.json or GGUF data. Throws invalid_argument / unsupported naming the field.
  static std::unique_ptr<const Tokenizer> create(const TokenizerData& data);
  virtual ~Tokenizer() = default;

  /// Token ids of UTF-8 `text`. Special (added) tokens written in the text are recognised, as Hugging Face's
  /// tokenizers does. `add_special_tokens` applies the post-processor (BOS/EOS) where the model has one.
  virtual std::vector<int> encode(std::string_view text, bool add_special_tokens) const = 0;
  /// UTF-8 text of `ids`; ill-formed bytes become U+FFFD. Unknown ids throw invalid_argument.
  virtual std::string decode(std::span<const int> ids, bool skip_special_tokens) const = 0;
  /// Raw bytes of one token as decode() would emit them (may be part of a UTF-8 character). Special tokens give their text.
  virtual std::string_view token_bytes(int id) const = 0;
  /// The token as the vocabulary spells it (e.g. "Ġthe").
  virtual std::string_view token_text(int id) const = 0;
  virtual bool is_special(int id) const = 0;
  virtual std::optional<int> token_id(std::string_view text) const = 0;
  virtual int vocab_size() const = 0;
  virtual std::optional<int> bos_token_id() const = 0;
  virtual std::optional<int> eos_token_id() const = 0;
};

/// Turns a growing sequence of tokens into text pieces, never emitting part of a UTF-8 character.
/// The concatenation of all push() results and flush() equals decode() of all tokens.
class StreamDetokenizer {
 public:
  StreamDetokenizer(const Tokenizer& tokenizer, bool skip_special_tokens);
  /// Text that `id` completes; empty while a character is unfinished.
  std::string push(int id);
  /// What is still held back, with ill-formed bytes replaced.
  std::string flush();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::string pending_;
};

}  // namespace cairn
