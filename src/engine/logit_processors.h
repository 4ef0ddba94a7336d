// Changes to a row of logits that a request asks for, before a token is chosen.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/request_state.h"
#include "model/tokenizer/tokenizer.h"

namespace cairn {

/// Whether apply_logit_processors() would change anything for the sequence's next token.
bool has_logit_processors(const Sequence& sequence);

/// In vLLM's order: allowed_token_ids, bad_words, min_tokens (masks what would end the answer), logit_bias, then the
/// repetition, frequency and presence penalties. `row` is [vocab_size]. Updates the sequence's token counts.
void apply_logit_processors(std::span<float> row, Sequence& sequence);

/// Token sequences of bad words: each word as the start of a text and, where that is one other token sequence of the
/// same length, after a space. Throws invalid_argument for a word without tokens or with one outside the vocabulary.
std::vector<std::vector<int>> tokenize_bad_words(std::span<const std::string> words, const Tokenizer& tokenizer,
                                                 int vocab_size);

}  // namespace cairn
