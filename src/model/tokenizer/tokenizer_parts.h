// What a byte-level BPE tokenizer is put together from, whatever file it came from.
#pragma once

#include <memory>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/tokenizer/added_tokens.h"
#include "model/tokenizer/bpe.h"
#include "model/tokenizer/normalizer.h"
#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace cairn {

struct TokenizerParts {
  std::unique_ptr<const Vocabulary> vocabulary;
  std::unique_ptr<const Bpe> bpe;  // points into the vocabulary
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::vector<AddedToken> added_tokens;
  std::vector<int> prefix, suffix;  // ids that the post-processor puts around a text
};

/// From the text of tokenizer.json (data.json). Throws invalid_argument / unsupported, naming the field.
TokenizerParts read_tokenizer_json(const TokenizerData& data);

/// From GGUF's token lists. Throws invalid_argument / unsupported, naming the key.
TokenizerParts read_tokenizer_gguf(const TokenizerData& data);

}  // namespace cairn
