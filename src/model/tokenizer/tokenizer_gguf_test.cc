#include <gtest/gtest.h>

#include "base/error.h"
#include "model/tokenizer/small_tokenizer.h"

namespace cairn {
namespace {

std::vector<std::string> words(const char* pre_tokenizer, std::string_view text) {
  // With byte tokens only, a merge of all pairs would hide the words; here the ids are the bytes, so tell words apart
  // by a vocabulary in which every two bytes "xy" of one word join.
  TokenizerData data = small_gguf();
  data.pre_tokenizer = pre_tokenizer;
  data.tokens.resize(256);
  data.token_types.resize(256);
  data.merges.clear();
  std::string digits = "0123456789ab ";
  for (char a : digits)
    for (char b : digits) {
      auto left = std::string(byte_symbol(static_cast<unsigned char>(a))),
           right = std::string(byte_symbol(static_cast<unsigned char>(b)));
      data.tokens.push_back(left + right);
      data.merges.push_back(left + " " + right);
    }
  data.token_types.resize(data.tokens.size(), 1);
  auto tokenizer = Tokenizer::create(data);
  std::vector<std::string> out;
  for (int id : tokenizer->encode(text, false)) out.emplace_back(tokenizer->token_bytes(id));
  return out;
}

using Words = std::vector<std::string>;

TEST(TokenizerGguf, PreTokenizersCutDigitsTheirOwnWay) {
  EXPECT_EQ(words("gpt-2", "1234"), (Words{"12", "34"}));
  EXPECT_EQ(words("smollm", "1234"), (Words{"1", "2", "3", "4"}));
  EXPECT_EQ(words("qwen2", "1234"), (Words{"1", "2", "3", "4"}));
  EXPECT_EQ(words("llama-bpe", "1234"), (Words{"12", "3", "4"})) << "groups of three";
  EXPECT_EQ(words("deepseek-v3", "1234"), (Words{"12", "3", "4"})) << "groups of three";
}

TEST(TokenizerGguf, PreTokenizersKeepSpacesTheirOwnWay) {
  EXPECT_EQ(words("gpt-2", "a 1"), (Words{"a", " 1"}));
  EXPECT_EQ(words("smollm", "a 1"), (Words{"a", " ", "1"}));
  EXPECT_EQ(words("gpt-2", "a   b"), (Words{"a", "  ", " b"})) << "the last space goes with the word";
}

TEST(TokenizerGguf, QwenNormalizes) {
  TokenizerData data = small_gguf();
  data.pre_tokenizer = "qwen2";
  auto tokenizer = Tokenizer::create(data);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("e\u0301", false), false), "\u00e9");
}

TEST(TokenizerGguf, UnknownPreTokenizerNamesTheKnown) {
  TokenizerData data = small_gguf();
  data.pre_tokenizer = "viking";
  try {
    Tokenizer::create(data);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    for (const char* name : {"viking", "gpt-2", "smollm", "llama-bpe", "qwen2", "default", "deepseek-v3"})
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
  }
}

TEST(TokenizerGguf, DamagedListsAreRefused) {
  auto refused = [](auto change) {
    TokenizerData data = small_gguf();
    change(data);
    EXPECT_THROW(Tokenizer::create(data), Error);
  };
  refused([](TokenizerData& data) { data.model = "llama"; });
  refused([](TokenizerData& data) { data = {}; });
  refused([](TokenizerData& data) { data.tokens.clear(), data.token_types.clear(); });
  refused([](TokenizerData& data) { data.token_types.pop_back(); });
  refused([](TokenizerData& data) { data.merges[0] = "th"; });
  refused([](TokenizerData& data) { data.merges[0] = ""; });
  refused([](TokenizerData& data) { data.merges[0] = "t zzz"; });
}

TEST(TokenizerGguf, UserDefinedTokensAreMatchedButNotSpecial) {
  TokenizerData data = small_gguf();
  data.token_types.back() = 4;
  auto tokenizer = Tokenizer::create(data);
  auto ids = tokenizer->encode("a<|im_end|>", false);
  EXPECT_EQ(ids.size(), 2u);
  EXPECT_EQ(tokenizer->decode(ids, true), "a<|im_end|>");
}

}  // namespace
}  // namespace cairn
