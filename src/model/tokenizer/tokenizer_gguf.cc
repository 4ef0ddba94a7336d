// Reads the tokenizer of a GGUF file (keys tokenizer.ggml.*).
#include <algorithm>
#include <array>

#include "base/error.h"
#include "model/tokenizer/regex_dialect.h"
#include "model/tokenizer/tokenizer_parts.h"

namespace cairn {
namespace {

constexpr std::string_view kDigit = R"(\p{N})";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepSeekV3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

// What a value of tokenizer.ggml.pre stands for: isolating patterns in order, and two switches.
struct PreTokenizerKind {
  std::string_view name;
  std::array<std::string_view, 4> patterns;
  bool ignore_merges = false;
  bool nfc = false;  // the model's tokenizer.json normalizes, GGUF does not record it
};

constexpr std::array<PreTokenizerKind, 10> kKinds = {{
    {"gpt-2", {kGpt2Pattern}},
    {"smollm", {kDigit, kGpt2Pattern}},
    {"llama-bpe", {kLlama3}, true},
    {"llama3", {kLlama3}, true},
    {"llama-v3", {kLlama3}, true},
    {"qwen2", {kQwen2}, false, true},
    {"qwen35", {kQwen35}, false, true},
    {"deepseek-v3", {R"(\p{N}{1,3})", R"([\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+)", kDeepSeekV3}},
    {"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
    {"",
     {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"}},  // files from before the key existed
}};

enum TokenType { kUnknown = 2, kControl = 3, kUserDefined = 4 };

const PreTokenizerKind& find_kind(const std::string& name) {
  auto found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const PreTokenizerKind& kind) { return kind.name == name; });
  if (found != kKinds.end()) return *found;
  std::string known;
  for (const PreTokenizerKind& kind : kKinds)
    if (!kind.name.empty()) known += (known.empty() ? "" : ", ") + std::string(kind.name);
  fail(ErrorKind::unsupported, "tokenizer.ggml.pre: '{}' is not supported; known are {}", name.substr(0, 80), known);
}

std::vector<Bpe::MergeRule> read_merges(const std::vector<std::string>& merges) {
  std::vector<Bpe::MergeRule> rules;
  rules.reserve(merges.size());
  for (std::size_t i = 0; i < merges.size(); ++i) {
    std::string_view both = merges[i];
    std::size_t space = both.find(' ', 1);
    if (space == both.npos)
      fail_invalid("tokenizer.ggml.merges[{}]: '{}' is not two tokens with a space between", i, both.substr(0, 80));
    rules.emplace_back(both.substr(0, space), both.substr(space + 1));
  }
  return rules;
}

std::vector<AddedToken> read_added_tokens(const TokenizerData& data) {
  std::vector<AddedToken> added;
  for (std::size_t i = 0; i < data.token_types.size(); ++i) {
    int type = data.token_types[i];
    if (type != kUnknown && type != kControl && type != kUserDefined) continue;
    AddedToken token;
    token.id = static_cast<int>(i);
    token.content = data.tokens[i];
    token.special = type != kUserDefined;
    added.push_back(std::move(token));
  }
  return added;
}

}  // namespace

TokenizerParts read_tokenizer_gguf(const TokenizerData& data) {
  if (data.model != "gpt2")
    fail(ErrorKind::unsupported, "tokenizer.ggml.model: '{}' is not supported (gpt2, byte-level BPE, is)",
         data.model.substr(0, 80));
  if (data.tokens.empty()) fail_invalid("tokenizer.ggml.tokens: the list is empty");
  if (!data.token_types.empty() && data.token_types.size() != data.tokens.size())
    fail_invalid("tokenizer.ggml.token_type: {} types for {} tokens", data.token_types.size(), data.tokens.size());
  const PreTokenizerKind& kind = find_kind(data.pre_tokenizer);
  TokenizerParts parts;
  auto vocabulary = std::make_unique<Vocabulary>(data.tokens.size());
  for (std::size_t i = 0; i < data.tokens.size(); ++i) vocabulary->add(static_cast<std::int64_t>(i), data.tokens[i]);
  parts.bpe = std::make_unique<const Bpe>(*vocabulary, read_merges(data.merges),
                                          BpeOptions{.ignore_merges = kind.ignore_merges});
  parts.vocabulary = std::move(vocabulary);
  if (kind.nfc) parts.normalizer = Normalizer({NormalForm::nfc});
  for (std::string_view pattern : kind.patterns)
    if (!pattern.empty())
      parts.pre_tokenizer.add_step({Pattern(to_pcre2(pattern, "tokenizer.ggml.pre"), "tokenizer.ggml.pre")});
  parts.added_tokens = read_added_tokens(data);
  return parts;
}

}  // namespace cairn
