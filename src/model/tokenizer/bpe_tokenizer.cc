#include "model/tokenizer/bpe_tokenizer.h"

#include "base/error.h"
#include "base/text.h"

namespace cairn {

BpeTokenizer::BpeTokenizer(TokenizerParts parts, const TokenizerData& data) : parts_(std::move(parts)) {
  bos_ = checked(data.bos_token_id, "bos_token_id");
  eos_ = checked(data.eos_token_id, "eos_token_id");
  if (data.add_bos_token && parts_.prefix.empty()) {
    if (!bos_) fail_invalid("tokenizer: add_bos_token is set, but there is no bos_token_id");
    parts_.prefix.push_back(*bos_);
  }
  if (data.add_eos_token && parts_.suffix.empty()) {
    if (!eos_) fail_invalid("tokenizer: add_eos_token is set, but there is no eos_token_id");
    parts_.suffix.push_back(*eos_);
  }
  special_.resize(static_cast<std::size_t>(vocab_size()));
  std::vector<AddedToken> raw, normalized;
  std::string storage;
  for (AddedToken& token : parts_.added_tokens) {
    if (token.special) special_[static_cast<std::size_t>(token.id)] = true;
    if (token.normalized) token.content = std::string(parts_.normalizer.normalize(token.content, storage));
    (token.normalized ? normalized : raw).push_back(std::move(token));
  }
  parts_.added_tokens.clear();
  raw_ = AddedTokenMatcher(std::move(raw));
  after_normalizing_ = AddedTokenMatcher(std::move(normalized));
}

std::optional<int> BpeTokenizer::checked(std::optional<int> id, const char* name) const {
  if (id && !parts_.vocabulary->contains(*id))
    fail_invalid("tokenizer: {} {} is not in the vocabulary (size {})", name, *id, vocab_size());
  return id;
}

std::vector<int> BpeTokenizer::encode(std::string_view text, bool add_special_tokens) const {
  std::vector<int> ids;
  ids.reserve(text.size() / 3 + 8);
  if (add_special_tokens) ids = parts_.prefix;
  std::string clean = sanitize_utf8(text), storage;
  std::vector<TextSegment> segments, inner;
  PreTokens words;
  BpeScratch scratch;
  raw_.split(clean, segments);
  for (const TextSegment& segment : segments) {
    if (segment.id >= 0) {
      ids.push_back(segment.id);
      continue;
    }
    inner.clear();
    after_normalizing_.split(parts_.normalizer.normalize(segment.text, storage), inner);
    for (const TextSegment& part : inner) {
      if (part.id >= 0) {
        ids.push_back(part.id);
        continue;
      }
      parts_.pre_tokenizer.split(part.text, words);
      for (std::string_view word : words.pieces) parts_.bpe->encode(word, scratch, ids);
    }
  }
  if (add_special_tokens) ids.insert(ids.end(), parts_.suffix.begin(), parts_.suffix.end());
  return ids;
}

std::string BpeTokenizer::decode(std::span<const int> ids, bool skip_special_tokens) const {
  std::string bytes;
  bytes.reserve(ids.size() * 4);
  for (int id : ids) {
    if (!skip_special_tokens || !is_special(id)) bytes += token_bytes(id);
  }
  return sanitize_utf8(bytes);
}

bool BpeTokenizer::is_special(int id) const {
  if (!parts_.vocabulary->contains(id))
    fail_invalid("token id {} is not in the vocabulary (size {})", id, vocab_size());
  return special_[static_cast<std::size_t>(id)];
}

}  // namespace cairn
