#include "model/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "model/tokenizer/small_tokenizer.h"

namespace cairn {
namespace {

TEST(Tokenizer, JsonAndGgufOfOneVocabularyAgree) {
  auto from_json = make_tokenizer(small_json());
  auto from_gguf = Tokenizer::create(small_gguf());
  for (std::string_view text : {"the aaaab", " the\u4f60\n<|im_start|>x<|im_end", "", "a'll 12 \xFF"}) {
    EXPECT_EQ(from_json->encode(text, true), from_gguf->encode(text, true)) << text;
  }
  EXPECT_EQ(from_json->vocab_size(), from_gguf->vocab_size());
}

TEST(Tokenizer, TellsTextBytesAndIdsOfTokens) {
  auto tokenizer = Tokenizer::create(small_gguf());
  int the = tokenizer->token_id("\u0120the").value();
  EXPECT_EQ(tokenizer->token_text(the), "\u0120the");
  EXPECT_EQ(tokenizer->token_bytes(the), " the");
  int end = tokenizer->token_id("<|im_end|>").value();
  EXPECT_EQ(tokenizer->token_bytes(end), "<|im_end|>");
  EXPECT_TRUE(tokenizer->is_special(end));
  EXPECT_FALSE(tokenizer->is_special(the));
  EXPECT_EQ(tokenizer->token_id("absent"), std::nullopt);
}

TEST(Tokenizer, RefusesUnknownIds) {
  auto tokenizer = Tokenizer::create(small_gguf());
  for (int id : {-1, tokenizer->vocab_size(), 1 << 30}) {
    EXPECT_THROW(tokenizer->decode(std::vector<int>{id}, false), Error);
    EXPECT_THROW(tokenizer->decode(std::vector<int>{id}, true), Error);
    EXPECT_THROW(tokenizer->token_bytes(id), Error);
    EXPECT_THROW(tokenizer->is_special(id), Error);
  }
}

TEST(Tokenizer, SkipsSpecialTokensOnRequest) {
  auto tokenizer = Tokenizer::create(small_gguf());
  auto ids = tokenizer->encode("<|im_start|>the<|im_end|>", false);
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(tokenizer->decode(ids, false), "<|im_start|>the<|im_end|>");
  EXPECT_EQ(tokenizer->decode(ids, true), "the");
}

TEST(Tokenizer, ReplacesIllFormedInput) {
  auto tokenizer = Tokenizer::create(small_gguf());
  for (std::string_view text : {"a\xC3", "\xF0\x9F\x98 b", "\xED\xA0\x80", "\xFF\xFE", "\x80"}) {
    EXPECT_EQ(tokenizer->encode(text, false), tokenizer->encode(sanitize_utf8(text), false));
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false), false), sanitize_utf8(text));
  }
}

TEST(Tokenizer, AddsBosAndEosWhenToldTo) {
  TokenizerData data = small_gguf();
  int bos = static_cast<int>(data.tokens.size()) - 2, eos = bos + 1;
  data.bos_token_id = bos;
  data.eos_token_id = eos;
  data.add_bos_token = data.add_eos_token = true;
  auto tokenizer = Tokenizer::create(data);
  EXPECT_EQ(tokenizer->encode("", true), (std::vector<int>{bos, eos}));
  EXPECT_EQ(tokenizer->encode("a", true), (std::vector<int>{bos, 'a', eos}));
  EXPECT_EQ(tokenizer->encode("a", false), std::vector<int>{'a'});
  data.bos_token_id = static_cast<int>(data.tokens.size());
  EXPECT_THROW(Tokenizer::create(data), Error) << "an id outside of the vocabulary";
  data.bos_token_id.reset();
  EXPECT_THROW(Tokenizer::create(data), Error) << "add_bos_token without an id";
}

TEST(Tokenizer, IsSafeToUseFromManyThreads) {
  nlohmann::json document = small_json();
  document["normalizer"] = {{"type", "NFC"}};
  auto tokenizer = make_tokenizer(document);
  std::string text;
  for (int i = 0; i < 50; ++i) text += "the e\u0301 aaaab<|im_start|>\u4f60 123 ";
  auto expected = tokenizer->encode(text, false);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) wrong[t] += tokenizer->encode(text, false) != expected;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST(Tokenizer, LongRunsTakeLinearTime) {
  auto tokenizer = Tokenizer::create(small_gguf());
  for (std::string_view unit : {"a", " ", "\n", "7", "!", "\u4f60", "<|im_start|", "\u0301"}) {
    std::string text;
    while (text.size() < (1u << 20)) text += unit;
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false), false), text);
  }
}

class RandomStream : public ::testing::TestWithParam<int> {};

TEST_P(RandomStream, PiecesAreWholeCharactersAndAddUpToDecode) {
  auto tokenizer = Tokenizer::create(small_gguf());
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  for (bool skip_special : {false, true}) {
    // Whole characters, and among them any token: stray bytes and halves of characters.
    std::vector<int> ids;
    for (int i = 0; i < 300; ++i) {
      if (random() % 3 == 0) {
        ids.push_back(static_cast<int>(random() % static_cast<unsigned>(tokenizer->vocab_size())));
        continue;
      }
      std::string character;
      append_utf8(character, static_cast<char32_t>(1 + random() % 0xD000));
      if (random() % 4 == 0) character = "\U0001F600";
      for (int id : tokenizer->encode(character, false)) ids.push_back(id);
    }
    StreamDetokenizer stream(*tokenizer, skip_special);
    std::string all;
    for (int id : ids) {
      std::string piece = stream.push(id);
      EXPECT_EQ(piece, sanitize_utf8(piece)) << "a piece must be well-formed by itself";
      all += piece;
    }
    all += stream.flush();
    EXPECT_EQ(all, tokenizer->decode(ids, skip_special));
    EXPECT_EQ(stream.flush(), "");
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomStream, ::testing::Range(0, 20));

TEST(StreamDetokenizer, HoldsACharacterBackUntilItIsWhole) {
  auto tokenizer = Tokenizer::create(small_gguf());
  StreamDetokenizer stream(*tokenizer, false);
  EXPECT_EQ(stream.push('a'), "a");
  EXPECT_EQ(stream.push(0xF0), "");
  EXPECT_EQ(stream.push(0x9F), "");
  EXPECT_EQ(stream.push(0x98), "");
  EXPECT_EQ(stream.push(0x80), "\U0001F600");
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.flush(), "\uFFFD");
}

}  // namespace
}  // namespace cairn
