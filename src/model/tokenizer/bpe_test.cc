#include "model/tokenizer/bpe.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "model/tokenizer/byte_alphabet.h"

namespace cairn {
namespace {

// The rule itself: join the pair of least rank, of equals the leftmost, until none is left.
std::vector<std::string> merge_by_hand(std::string_view word,
                                       const std::vector<std::pair<std::string, std::string>>& rules) {
  std::vector<std::string> parts;
  for (char byte : word) parts.emplace_back(byte_symbol(static_cast<unsigned char>(byte)));
  for (;;) {
    std::size_t best_rank = rules.size(), best = 0;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i)
      for (std::size_t rank = 0; rank < best_rank; ++rank)
        if (rules[rank].first == parts[i] && rules[rank].second == parts[i + 1]) best_rank = rank, best = i;
    if (best_rank == rules.size()) return parts;
    parts[best] += parts[best + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

class RandomBpe : public ::testing::TestWithParam<int> {};

TEST_P(RandomBpe, ShortAndLongWordsMergeByTheRule) {
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  std::vector<std::string> tokens = {"a", "b", "c"};
  std::vector<std::pair<std::string, std::string>> rules;
  while (rules.size() < 40) {
    auto& left = tokens[random() % tokens.size()];
    auto& right = tokens[random() % tokens.size()];
    if (std::find(tokens.begin(), tokens.end(), left + right) != tokens.end() || left.size() + right.size() > 12)
      continue;
    rules.emplace_back(left, right);
    tokens.push_back(left + right);
  }
  Vocabulary vocabulary(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) vocabulary.add(static_cast<std::int64_t>(id), tokens[id]);
  Bpe bpe(vocabulary, {rules.begin(), rules.end()}, {});
  BpeScratch scratch;
  for (std::size_t length : {0, 1, 2, 3, 10, 47, 48, 49, 50, 200}) {
    std::string word;
    for (std::size_t i = 0; i < length; ++i) word += "abc"[random() % 3];
    std::vector<int> ids;
    bpe.encode(word, scratch, ids);
    std::vector<std::string> spelled;
    for (int id : ids) spelled.emplace_back(vocabulary.text(id));
    EXPECT_EQ(spelled, merge_by_hand(word, rules)) << word;
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomBpe, ::testing::Range(0, 20));

TEST(Bpe, IgnoreMergesTakesAWholeWordThatIsAToken) {
  Vocabulary vocabulary(4);
  for (auto [id, text] : {std::pair{0, "a"}, {1, "b"}, {2, "ab"}, {3, "aab"}}) vocabulary.add(id, text);
  BpeScratch scratch;
  std::vector<int> merged, whole;
  Bpe(vocabulary, {{"a", "b"}}, {}).encode("aab", scratch, merged);
  Bpe(vocabulary, {{"a", "b"}}, {.ignore_merges = true}).encode("aab", scratch, whole);
  EXPECT_EQ(merged, (std::vector<int>{0, 2}));
  EXPECT_EQ(whole, std::vector<int>{3});
}

TEST(Bpe, NamesTheMergeWhoseTokenIsMissing) {
  Vocabulary vocabulary(2);
  vocabulary.add(0, "a");
  vocabulary.add(1, "b");
  try {
    Bpe(vocabulary, {{"a", "b"}}, {});
    FAIL() << "'ab' is not a token";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("merge 0"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("'ab'"), std::string::npos) << error.what();
  }
}

TEST(ByteAlphabet, SpellsEveryByteAndBack) {
  std::string bytes, spelled;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  append_symbols(spelled, bytes);
  EXPECT_EQ(symbols_to_bytes(spelled), bytes);
  EXPECT_EQ(byte_symbol(' '), "\u0120");
  EXPECT_EQ(byte_symbol('\n'), "\u010A");
  EXPECT_EQ(byte_symbol(0xAD), "\u0143");
  for (std::string_view foreign : {" ", "\u0144", "\u2581", "\n", "\xC3", "\xFF"})
    EXPECT_EQ(symbols_to_bytes(foreign), std::nullopt) << foreign;
}

TEST(Vocabulary, RefusesTakenAndFarIds) {
  Vocabulary vocabulary(2);
  vocabulary.add(5, "x");
  EXPECT_THROW(vocabulary.add(5, "y"), Error);
  EXPECT_THROW(vocabulary.add(-1, "y"), Error);
  EXPECT_THROW(vocabulary.add(std::int64_t{1} << 40, "y"), Error);
  EXPECT_EQ(vocabulary.size(), 6);
  EXPECT_FALSE(vocabulary.contains(4));
  EXPECT_THROW(vocabulary.text(4), Error);
  EXPECT_EQ(vocabulary.find("x"), 5);
  EXPECT_EQ(vocabulary.find(""), std::nullopt);
}

TEST(Vocabulary, GrowsBeyondTheExpectedNumber) {
  Vocabulary vocabulary(0);
  for (int id = 0; id < 1000; ++id) vocabulary.add(id, "token" + std::to_string(id));
  for (int id = 0; id < 1000; ++id) EXPECT_EQ(vocabulary.find("token" + std::to_string(id)), id);
}

}  // namespace
}  // namespace cairn
