// Compares with what the tokenizers package answered (tests/reference/make_tokenizer_cases.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "model/tokenizer/tokenizer.h"

namespace cairn {
namespace {

using nlohmann::json;

const json& cases() {
  static const json document =
      json::parse(read_text_file(CAIRN_SOURCE_DIR "/tests/reference/data/tokenizer_cases.json"));
  return document;
}

std::filesystem::path cache_folder(const char* variable, const char* folder) {
  if (const char* set = std::getenv(variable)) return set;
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home ? home : "") / ".cache/cairn" / folder;
}

void expect_ids(const Tokenizer& tokenizer, const json& texts, const json& ids) {
  ASSERT_EQ(texts.size(), ids.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(tokenizer.encode(texts[i].get_ref<const std::string&>(), true), ids[i].get<std::vector<int>>())
        << texts[i];
}

TEST(TokenizerReference, SmallVariantsEncodeAndDecodeAsThePackage) {
  const json& texts = cases()["texts"];
  ASSERT_GT(cases()["small"].size(), 25u);
  for (const json& variant : cases()["small"]) {
    SCOPED_TRACE(variant["name"].get<std::string>());
    json document = cases()["base"];
    document.merge_patch(variant["patch"]);
    TokenizerData data;
    data.json = document.dump();
    auto tokenizer = Tokenizer::create(data);
    expect_ids(*tokenizer, texts, variant["ids"]);
    for (std::size_t i = 0; variant.contains("decoded") && i < texts.size(); ++i) {
      auto ids = variant["ids"][i].get<std::vector<int>>();
      EXPECT_EQ(tokenizer->decode(ids, true), variant["decoded"].value(std::to_string(i), texts[i].get<std::string>()));
    }
  }
}

TEST(TokenizerReference, SmolLm2FromGgufEncodesAsThePackage) {
  auto path = cache_folder("CAIRN_MODEL_DIR", "models") / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent (./check fetches it)";
  auto tokenizer = Tokenizer::create(Checkpoint::open(path.string())->tokenizer());
  expect_ids(*tokenizer, cases()["real_texts"], cases()["real"]["smollm2"]);
  EXPECT_EQ(tokenizer->token_id("<|im_end|>"), tokenizer->eos_token_id());
}

TEST(TokenizerReference, RealTokenizerJsonEncodesAsThePackage) {
  int compared = 0;
  for (const char* name : {"qwen", "qwen35", "deepseek"}) {
    auto path = cache_folder("CAIRN_TOKENIZER_DIR", "tokenizers") / name / "tokenizer.json";
    if (!std::filesystem::exists(path)) continue;
    SCOPED_TRACE(name);
    TokenizerData data;
    data.json = read_text_file(path.string());
    expect_ids(*Tokenizer::create(data), cases()["real_texts"], cases()["real"][name]);
    ++compared;
  }
  if (compared == 0) GTEST_SKIP() << "no tokenizer.json found (tools/fetch_tokenizers.sh fetches them)";
}

}  // namespace
}  // namespace cairn
