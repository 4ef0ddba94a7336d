// What is refused, and how: every error names the field.
#include <gtest/gtest.h>

#include "base/error.h"
#include "model/tokenizer/small_tokenizer.h"

namespace cairn {
namespace {

using nlohmann::json;

struct Refusal {
  const char* name;
  json patch;  // to small_json()
  ErrorKind kind;
  const char* named;  // what the message must hold
};

json nested_sequences(int depth) {
  json step = {{"type", "ByteLevel"}};
  for (int i = 0; i < depth; ++i) step = {{"type", "Sequence"}, {"pretokenizers", json::array({step})}};
  return {{"pre_tokenizer", step}};
}

json split(const char* pattern) {
  json regex = {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}};
  return {{"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", json::array({regex, {{"type", "ByteLevel"}}})}}}};
}

json added(json token) { return {{"added_tokens", json::array({token})}}; }

std::vector<Refusal> refusals() {
  constexpr auto invalid = ErrorKind::invalid_argument, unsupported = ErrorKind::unsupported;
  json special_template = {{"type", "TemplateProcessing"},
                           {"single", json::array({{{"SpecialToken", {{"id", "x"}}}}, {{"Sequence", {{"id", "A"}}}}})},
                           {"special_tokens", {{"x", {{"ids", {9999}}}}}}};
  return {
      {"NoModel", {{"model", nullptr}}, invalid, "model is missing"},
      {"OtherModel", {{"model", {{"type", "Unigram"}}}}, unsupported, "model.type"},
      {"VocabIsAList", {{"model", {{"vocab", json::array()}}}}, invalid, "model.vocab"},
      {"IdIsText", {{"model", {{"vocab", {{"zz", "7"}}}}}}, invalid, "'zz'"},
      {"IdIsTaken", {{"model", {{"vocab", {{"zz", 7}}}}}}, invalid, "id 7"},
      {"IdIsNegative", {{"model", {{"vocab", {{"zz", -1}}}}}}, invalid, "-1"},
      {"IdIsHuge", {{"model", {{"vocab", {{"zz", 1ull << 31}}}}}}, invalid, "2147483648"},
      {"IdIsBeyond63Bits", {{"model", {{"vocab", {{"zz", ~0ull}}}}}}, invalid, "model.vocab"},
      {"MergeOfUnknown", {{"model", {{"merges", {"t h", "q zz"}}}}}, invalid, "merge 1"},
      {"MergeOfOne", {{"model", {{"merges", {"th"}}}}}, invalid, "merges[0]"},
      {"MergeOfThree", {{"model", {{"merges", {"t h e"}}}}}, invalid, "merges[0]"},
      {"MergeIsANumber", {{"model", {{"merges", {7}}}}}, invalid, "merges[0]"},
      {"MergesMissing", {{"model", {{"merges", nullptr}}}}, invalid, "model.merges is missing"},
      {"Dropout", {{"model", {{"dropout", 0.1}}}}, unsupported, "model.dropout"},
      {"ByteFallback", {{"model", {{"byte_fallback", true}}}}, unsupported, "model.byte_fallback"},
      {"Suffix", {{"model", {{"end_of_word_suffix", "</w>"}}}}, unsupported, "end_of_word_suffix"},
      {"UnknownTokenIsUnknown", {{"model", {{"unk_token", "<unk>"}}}}, invalid, "model.unk_token"},
      {"OtherNormalizer", {{"normalizer", {{"type", "Lowercase"}}}}, unsupported, "normalizer"},
      {"NoPreTokenizer", {{"pre_tokenizer", nullptr}}, unsupported, "pre_tokenizer"},
      {"OtherPreTokenizer", {{"pre_tokenizer", {{"type", "Metaspace"}}}}, unsupported, "Metaspace"},
      {"DeepSequences", nested_sequences(1000), invalid, "nested"},
      {"BrokenPattern", split("(a"), invalid, "pretokenizers[0].pattern"},
      {"EndlessPattern", split("a{70000}"), invalid, "pretokenizers[0].pattern"},
      {"BackReference", split("(a)\\1"), unsupported, "\\1"},
      {"WordBoundary", split("\\bx"), unsupported, "\\b"},
      {"SetIntersection", split("[a-z&&[^b]]"), unsupported, "&&"},
      {"OpenClass", split("[a-z"), invalid, "not closed"},
      {"CountedPlus", split("a{1,3}+"), unsupported, "counted"},
      {"InlineOption", split("(?m)a"), unsupported, "group"},
      {"UnknownProperty", split("\\p{Nonsense}"), invalid, "pretokenizers[0].pattern"},
      {"OtherDecoder", {{"decoder", {{"type", "WordPiece"}}}}, unsupported, "decoder"},
      {"OtherPostProcessor", {{"post_processor", {{"type", "Odd"}}}}, unsupported, "post_processor"},
      {"TemplateIdOutOfRange", {{"post_processor", special_template}}, invalid, "9999"},
      {"AddedTokenClash", added({{"id", 3}, {"content", "the"}}), invalid, "added_tokens[0]"},
      {"AddedTokenTakenId", added({{"id", 3}, {"content", "new"}}), invalid, "id 3"},
      {"AddedTokenWithoutId", added({{"content", "new"}}), invalid, "added_tokens[0].id"},
      {"AddedTokenTooLong", added({{"id", 500}, {"content", std::string(2000, 'x')}}), invalid, "2000 bytes"},
      {"AddedTokenFlagIsText", added({{"id", 500}, {"content", "n"}, {"lstrip", "yes"}}), invalid, "lstrip"},
  };
}

class TokenizerJson : public ::testing::TestWithParam<Refusal> {};

TEST_P(TokenizerJson, IsRefusedNamingTheField) {
  const Refusal& refusal = GetParam();
  json document = small_json();
  document.merge_patch(refusal.patch);
  try {
    make_tokenizer(document);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), refusal.kind) << error.what();
    EXPECT_NE(std::string(error.what()).find(refusal.named), std::string::npos) << error.what();
    EXPECT_LT(std::string(error.what()).size(), 600u);
  }
}
INSTANTIATE_TEST_SUITE_P(Refused, TokenizerJson, ::testing::ValuesIn(refusals()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(TokenizerJsonText, MalformedTextIsRefused) {
  std::string whole = small_json().dump();
  TokenizerData data;
  for (const std::string& text : {std::string("x"), std::string("[]"), std::string("7"), std::string(1 << 20, '['),
                                  whole.substr(0, 1000), std::string("{\"model\": \"\xFF\"}")}) {
    data.json = text;
    EXPECT_THROW(Tokenizer::create(data), Error) << text.substr(0, 40);
  }
}

TEST(TokenizerJsonText, CatastrophicPatternsAreStopped) {
  json document = small_json();
  document.merge_patch(split("(?:a|aa|aaa|a?)+(?:aa|a)+$(?=b)"));
  auto tokenizer = make_tokenizer(document);
  try {
    tokenizer->encode(std::string(2000, 'a'), false);
    FAIL() << "matched";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::resource_exhausted) << error.what();
  }
}

}  // namespace
}  // namespace cairn
