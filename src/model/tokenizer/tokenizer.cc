#include "model/tokenizer/tokenizer.h"

#include "base/error.h"
#include "base/text.h"
#include "model/tokenizer/bpe_tokenizer.h"

namespace cairn {

std::unique_ptr<const Tokenizer> Tokenizer::create(const TokenizerData& data) {
  if (data.json.empty() && data.model.empty())
    fail(ErrorKind::unsupported, "the model has no tokenizer (neither tokenizer.json nor tokenizer.ggml.model)");
  TokenizerParts parts = data.json.empty() ? read_tokenizer_gguf(data) : read_tokenizer_json(data);
  return std::make_unique<const BpeTokenizer>(std::move(parts), data);
}

StreamDetokenizer::StreamDetokenizer(const Tokenizer& tokenizer, bool skip_special_tokens)
    : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}

std::string StreamDetokenizer::push(int id) {
  if (skip_special_tokens_ && tokenizer_->is_special(id)) return {};
  pending_ += tokenizer_->token_bytes(id);
  std::size_t complete = complete_utf8_prefix(pending_);
  std::string text = sanitize_utf8(std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
  return text;
}

std::string StreamDetokenizer::flush() {
  std::string text = sanitize_utf8(pending_);
  pending_.clear();
  return text;
}

}  // namespace cairn
