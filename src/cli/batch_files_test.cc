#include "cli/batch_files.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/mapped_file.h"
#include "engine/fake_model.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;

ModelText fake_text() {
  ModelText text;
  text.tokenizer = std::make_shared<const testing::FakeTokenizer>();
  text.chat_template = std::make_shared<const ChatTemplate>("{% for m in messages %}{{ m.content }} {% endfor %}");
  return text;
}

std::vector<BatchLine> read(const std::string& text, const SamplingParams& defaults = {}) {
  return read_batch(text, fake_text(), defaults);
}

std::string error_of(const std::string& line) {
  std::vector<BatchLine> lines = read(line);
  return lines.size() == 1 ? lines[0].job.error : "not one line";
}

TEST(ReadBatch, TakesPromptsIdsAndMessagesWithParametersOverTheDefaults) {
  SamplingParams defaults;
  defaults.temperature = 0.25;
  defaults.top_k = 7;
  auto lines = read(R"({"prompt": "a b", "custom_id": "first", "top_k": 3, "model": "ignored"})"
                    "\n\n  \t\r\n"
                    R"({"prompt": [1, 2.0, 3], "max_completion_tokens": 9, "temperature": null})"
                    "\r\n"
                    R"({"messages": [{"role": "user", "content": "ab"}], "custom_id": null, "stop": "x"})",
                    defaults);
  ASSERT_EQ(lines.size(), 3u);
  for (const BatchLine& line : lines) EXPECT_EQ(line.job.error, "");
  EXPECT_EQ(lines[0].id, "first");
  EXPECT_EQ(lines[0].job.prompt, testing::FakeTokenizer().encode("a b", true));
  EXPECT_EQ(lines[0].job.params.top_k, 3);
  EXPECT_EQ(lines[0].job.params.temperature, 0.25);
  EXPECT_EQ(lines[1].id, 4) << "the line's number, blank ones counted";
  EXPECT_EQ(lines[1].job.prompt, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(lines[1].job.params.max_tokens, 9);
  EXPECT_EQ(lines[1].job.params.temperature, 0.25) << "null leaves the default";
  EXPECT_EQ(lines[1].job.params.top_k, 7) << "the line before changed only itself";
  EXPECT_EQ(lines[2].id, 5);
  EXPECT_EQ(lines[2].job.prompt, testing::FakeTokenizer().encode("ab ", false));
  EXPECT_EQ(lines[2].job.params.stop, std::vector<std::string>{"x"});
}

TEST(ReadBatch, ABadLineSpoilsOnlyItself) {
  auto lines = read("{\"prompt\": \"a\"}\n{\"custom_id\": \"torn\", \"prom\n{\"prompt\": \"b\"}\n");
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].job.error, "");
  EXPECT_THAT(lines[1].job.error, HasSubstr("line 2: "));
  EXPECT_EQ(lines[1].id, 2);
  EXPECT_EQ(lines[2].job.error, "");
}

TEST(ReadBatch, NamesWhatIsWrongWithALine) {
  EXPECT_THAT(error_of("7"), HasSubstr("line 1: not a JSON object"));
  EXPECT_THAT(error_of("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_of("{\"prompt\": \"a\"} x"), HasSubstr("not usable JSON"));
  EXPECT_THAT(error_of("{}"), HasSubstr("either prompt or messages"));
  EXPECT_THAT(error_of(R"({"prompt": "a", "messages": []})"), HasSubstr("either prompt or messages"));
  EXPECT_THAT(error_of(R"({"messages": []})"), HasSubstr("not empty"));
  EXPECT_THAT(error_of(R"({"messages": "a"})"), HasSubstr("messages must be a list"));
  EXPECT_THAT(error_of(R"({"prompt": 7})"), HasSubstr("a string or a list of token ids"));
  EXPECT_THAT(error_of(R"({"prompt": [1, "b"]})"), HasSubstr("a list of token ids"));
  EXPECT_THAT(error_of(R"({"prompt": [1.5]})"), HasSubstr("a list of token ids"));
  EXPECT_THAT(error_of(R"({"prompt": "a", "temprature": 1})"), HasSubstr("'temprature' is not a sampling parameter"));
  EXPECT_THAT(error_of(R"({"prompt": "a", "max_tokens": "many"})"), HasSubstr("max_tokens is \"many\"; it takes"));
  EXPECT_THAT(error_of(R"({"prompt": "a", "n": 0})"), HasSubstr("n must be at least 1, got 0."));
}

TEST(ReadBatch, NumbersThatFitNoIntegerAreRefusedNotWrapped) {
  // 2^64 - 1 would be -1, the id of no token and for top_k "all".
  EXPECT_THAT(error_of(R"({"prompt": [18446744073709551615]})"), HasSubstr("token ids"));
  EXPECT_THAT(error_of(R"({"prompt": [4294967297]})"), HasSubstr("token ids"));
  EXPECT_THAT(error_of(R"({"prompt": "a", "top_k": 18446744073709551615})"), HasSubstr("32 bits"));
  EXPECT_THAT(error_of(R"({"prompt": "a", "seed": 18446744073709551615})"), HasSubstr("64 bits"));
  EXPECT_THAT(error_of(R"({"prompt": "a", "max_tokens": 1e400})"), HasSubstr("not usable JSON"));
}

TEST(ReadBatch, HostileLinesBecomeShortErrors) {
  const std::vector<std::string> hostile = {
      std::string(300'000, '['),
      "{\"custom_id\": " + std::string(100'000, '[') + std::string(100'000, ']') + ", \"prompt\": \"a\"}",
      "{\"prompt\": \"a\", \"stop\": " + std::string(50'000, '[') + std::string(50'000, ']') + "}",
      "{\"prompt\": \"\xff\xfe\"}",
      std::string("{\"prompt\": \"a\0b\"}", 17),
      std::string("\0\0\0", 3),
      "{\"prompt\": \"a\", \"max_tokens\": \"" + std::string(100'000, 'x') + "\"}",
      "{\"prompt\": \"a\", \"max_tokens\": \"" + std::string(59, 'x') + "\u00e9\u00e9\"}",
      R"({"messages": [null, 7, [[]], {"role": {}}], "temperature": {}})",
  };
  for (const std::string& line : hostile) {
    std::string error = error_of(line);
    EXPECT_THAT(error, HasSubstr("line 1: ")) << line.substr(0, 60);
    EXPECT_LT(error.size(), 500u) << error.substr(0, 600);
    EXPECT_NO_THROW(Json(error).dump()) << "well-formed UTF-8";
  }
}

TEST(ReadBatch, OfEqualKeysTheLastCounts) {
  auto lines = read(R"({"prompt": "a", "top_k": 1, "top_k": 2})");
  EXPECT_EQ(lines[0].job.params.top_k, 2);
}

TEST(AnswerJson, HoldsChoicesUsageAndLogprobs) {
  BatchAnswer answer;
  answer.prompt_tokens = 3;
  answer.completion_tokens = 2;
  answer.cached_tokens = 1;
  answer.choices.resize(2);
  answer.choices[1] = {"text", "length", {4, 5}, {{{4, -0.5F, 1}, {{7, -0.25F, 1}}}}};
  Json line = answer_json("id", answer);
  EXPECT_EQ(line["custom_id"], "id");
  EXPECT_EQ(line["choices"].size(), 2u);
  EXPECT_EQ(line["choices"][1]["finish_reason"], "length");
  EXPECT_EQ(line["choices"][1]["logprobs"][0]["token_id"], 4);
  EXPECT_EQ(line["choices"][1]["logprobs"][0]["top"][0]["token_id"], 7);
  EXPECT_FALSE(line["choices"][0].contains("logprobs"));
  EXPECT_EQ(line["usage"]["total_tokens"], 5);
  EXPECT_EQ(line["usage"]["prompt_tokens_details"]["cached_tokens"], 1);
  answer.error = "refused";
  EXPECT_EQ(answer_json(7, answer).dump(), R"({"custom_id":7,"error":{"message":"refused"}})");
}

class Resume : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "resume-" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove(path_);
  }
  void TearDown() override { std::filesystem::remove(path_); }
  void put(const std::string& text) const { std::ofstream(path_, std::ios::binary) << text; }
  std::string content() const { return read_text_file(path_); }
  // Three requests: "a", the number of their second line, "c".
  static std::vector<BatchLine> three() {
    return read(R"({"custom_id": "a", "prompt": "a"})"
                "\n"
                R"({"prompt": "b"})"
                "\n"
                R"({"custom_id": "c", "prompt": "c"})");
  }
  std::string path_;
};

TEST_F(Resume, WithoutAFileAllIsLeftToDo) {
  auto lines = three();
  EXPECT_EQ(skip_answered(lines, path_), 0u);
  EXPECT_EQ(skip_answered(lines, "-"), 0u);
  EXPECT_EQ(lines.size(), 3u);
}

TEST_F(Resume, WholeLinesAreKeptAndATornOneIsDoneAgain) {
  const std::string whole = "{\"custom_id\":\"a\"}\n{\"custom_id\":2}\n";
  for (const char* torn : {"", "{", "{\"custom_id\":\"c\"}", "\xc3"}) {
    put(whole + torn);
    auto lines = three();
    const std::uint64_t keep = skip_answered(lines, path_);
    EXPECT_EQ(keep, whole.size());
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0].id, "c");
    LineFile(path_, keep).write({{"custom_id", "c"}});
    EXPECT_EQ(content(), whole + "{\"custom_id\":\"c\"}\n");
  }
}

TEST_F(Resume, ATornFirstLineIsDoneAgain) {
  put("{\"custom_id\":\"a\"");
  auto lines = three();
  const std::uint64_t keep = skip_answered(lines, path_);
  EXPECT_EQ(lines.size(), 3u);
  LineFile(path_, keep).write(1);
  EXPECT_EQ(content(), "1\n");
}

TEST_F(Resume, AFinishedFileLeavesNothing) {
  put("{\"custom_id\":\"a\"}\n{\"custom_id\":2}\n{\"custom_id\":\"c\"}\n");
  auto lines = three();
  skip_answered(lines, path_);
  EXPECT_TRUE(lines.empty());
}

TEST_F(Resume, AFileOfOtherRequestsIsRefusedAndLeftAlone) {
  for (const char* text :
       {"{\"custom_id\":\"x\"}\ntorn", "notes\n", "\n", "{\"custom_id\":\"a\"\n", "{\"custom_id\":\"ab\"}\n",
        "{\"custom_id\":\"x\"}\n{\"custom_id\":2}\n", "{\"custom_id\":\"a\"}\n{\"custom_id\":23}\n",
        "{\"custom_id\":\"a\"}\n{\"custom_id\":2}\n{\"custom_id\":\"c\"}\n{}\n"}) {
    put(text);
    auto lines = three();
    EXPECT_THROW(skip_answered(lines, path_), Error) << text;
    EXPECT_EQ(content(), text);
    EXPECT_EQ(lines.size(), 3u);
  }
}

TEST_F(Resume, WithoutItTheFileIsOverwrittenAndEachLineIsThereAtOnce) {
  put("old\nold\n");
  LineFile file(path_);
  file.write({{"text", "\xff"}});
  EXPECT_EQ(content(), "{\"text\":\"\uFFFD\"}\n") << "ill-formed text is no reason to lose an answer";
}

TEST_F(Resume, AFullDiskIsAnError) {
  EXPECT_THROW(LineFile("/dev/full").write(1), Error);
  EXPECT_THROW(LineFile("/nowhere/file"), Error);
}

}  // namespace
}  // namespace cairn
