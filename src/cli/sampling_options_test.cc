#include "cli/sampling_options.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace cairn {
namespace {

using ::testing::HasSubstr;

constexpr int kVocabulary = 100;

// What the command line `words` sets over `params`; checked as a command does.
SamplingParams parse(std::vector<std::string> words, SamplingParams params = {}) {
  CLI::App app;
  SamplingFlags flags;
  flags.add_to(app);
  std::reverse(words.begin(), words.end());  // as CLI11 takes them
  app.parse(words);
  flags.apply(params);
  SamplingParams(params).validate(kVocabulary);
  return params;
}

std::string error_of(const std::vector<std::string>& words) {
  try {
    parse(words);
  } catch (const Error& error) {
    return error.what();
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  return "";
}

TEST(SamplingFlags, EveryKindOfValueArrives) {
  SamplingParams params = parse({"--max-tokens",
                                 "5",
                                 "--temperature",
                                 "0.5",
                                 "--top-k",
                                 "-1",
                                 "--presence-penalty",
                                 "-0.5",
                                 "--seed",
                                 "-3",
                                 "--stop",
                                 "a,b",
                                 "--stop",
                                 "[c]",
                                 "--stop-token-ids",
                                 "1,2",
                                 "--ignore-eos",
                                 "--no-skip-special-tokens",
                                 "--logit-bias",
                                 R"({"5": -2, "6": 1.5})",
                                 "--bad-words",
                                 "x y",
                                 "--allowed-token-ids",
                                 "3",
                                 "--logprobs",
                                 "2",
                                 "--n",
                                 "2"});
  EXPECT_EQ(params.max_tokens, 5);
  EXPECT_EQ(params.temperature, 0.5);
  EXPECT_EQ(params.top_k, -1);
  EXPECT_EQ(params.presence_penalty, -0.5);
  EXPECT_EQ(params.seed, -3);
  EXPECT_EQ(params.stop, (std::vector<std::string>{"a,b", "[c]"})) << "a stop text is taken as it stands";
  EXPECT_EQ(params.stop_token_ids, (std::vector<int>{1, 2}));
  EXPECT_TRUE(params.ignore_eos);
  EXPECT_FALSE(params.skip_special_tokens);
  EXPECT_EQ(params.logit_bias, (std::vector<std::pair<int, double>>{{5, -2}, {6, 1.5}}));
  EXPECT_EQ(params.bad_words, std::vector<std::string>{"x y"});
  EXPECT_EQ(params.allowed_token_ids, std::vector<int>{3});
  EXPECT_EQ(params.logprobs, 2);
  EXPECT_EQ(params.n, 2);
}

TEST(SamplingFlags, WhatIsNotGivenStays) {
  SamplingParams defaults;
  defaults.temperature = 0.7;
  defaults.ignore_eos = true;
  SamplingParams params = parse({"--top-p", "0.9"}, defaults);
  EXPECT_EQ(params.temperature, 0.7);
  EXPECT_TRUE(params.ignore_eos);
  EXPECT_EQ(params.top_p, 0.9);
  EXPECT_FALSE(parse({"--no-ignore-eos"}, defaults).ignore_eos);
}

TEST(SamplingFlags, RangesAreRefusedInVllmsWords) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--temperature", "-1"}, "temperature must be non-negative, got -1.0."},
      {{"--top-p", "0"}, "top_p must be in (0, 1], got 0.0."},
      {{"--top-p", "1.5"}, "top_p must be in (0, 1], got 1.5."},
      {{"--top-k", "-2"}, "top_k must be 0 (disable), or at least 1, got -2."},
      {{"--min-p", "2"}, "min_p must be in [0, 1], got 2.0."},
      {{"--presence-penalty", "2.5"}, "presence_penalty must be in [-2, 2], got 2.5."},
      {{"--frequency-penalty", "-3"}, "frequency_penalty must be in [-2, 2], got -3.0."},
      {{"--repetition-penalty", "0"}, "repetition_penalty must be greater than zero, got 0.0."},
      {{"--max-tokens", "0"}, "max_tokens must be at least 1, got 0."},
      {{"--min-tokens", "-1"}, "min_tokens must be greater than or equal to 0, got -1."},
      {{"--max-tokens", "2", "--min-tokens", "3"}, "min_tokens must be less than or equal to max_tokens=2, got 3."},
      {{"--n", "0"}, "n must be at least 1, got 0."},
      {{"--n", "2", "--temperature", "0"}, "n must be 1 when using greedy sampling, got 2."},
      {{"--stop", ""}, "stop cannot contain an empty string."},
      {{"--allowed-token-ids", "100"}, "allowed_token_ids contains out-of-vocab token id!"},
      {{"--logprobs", "-2"}, "logprobs must be non-negative or -1, got -2."},
  };
  for (const auto& [words, message] : cases) EXPECT_EQ(error_of(words), message);
}

TEST(SamplingFlags, AWrongKindNamesFlagValueAndWhatIsTaken) {
  EXPECT_THAT(error_of({"--temperature", "hot"}), HasSubstr("--temperature 'hot'"));
  EXPECT_THAT(error_of({"--temperature", "nan"}), HasSubstr("--temperature 'nan'"));
  EXPECT_THAT(error_of({"--temperature", "\"1\""}), HasSubstr("temperature is \"1\"; it takes a number"));
  EXPECT_THAT(error_of({"--max-tokens", "1.5"}), HasSubstr("max_tokens is 1.5; it takes an integer"));
  EXPECT_THAT(error_of({"--top-k", "99999999999"}), HasSubstr("it takes an integer of 32 bits"));
  EXPECT_THAT(error_of({"--top-k", "18446744073709551615"}), HasSubstr("it takes an integer of 32 bits"));
  EXPECT_THAT(error_of({"--seed", "18446744073709551615"}), HasSubstr("it takes an integer of 64 bits"));
  EXPECT_THAT(error_of({"--logit-bias", "[1]"}), HasSubstr("an object from token id to bias"));
  EXPECT_THAT(error_of({"--logit-bias", R"({"1x": 1})"}), HasSubstr("an object from token id to bias"));
  EXPECT_THAT(error_of({"--logit-bias", std::string(100'000, '[')}), HasSubstr("--logit-bias"));
  EXPECT_NE(error_of({"--stop-token-ids", "1,x"}), "");
}

TEST(SetSamplingField, KnowsTheApisNamesAndLeavesOthers) {
  SamplingParams params;
  EXPECT_TRUE(set_sampling_field(params, "max_completion_tokens", 4));
  EXPECT_EQ(params.max_tokens, 4);
  EXPECT_TRUE(set_sampling_field(params, "max_tokens", nullptr));
  EXPECT_EQ(params.max_tokens, 4);
  EXPECT_TRUE(set_sampling_field(params, "top_k", 5.0)) << "an integral number, as the server takes it";
  EXPECT_EQ(params.top_k, 5);
  EXPECT_FALSE(set_sampling_field(params, "tempreature", 1));
  EXPECT_TRUE(set_sampling_field(params, "stop", "x"));
  EXPECT_EQ(params.stop, std::vector<std::string>{"x"});
  EXPECT_THROW(set_sampling_field(params, "stop", Json::array({"x", 1})), Error);
  EXPECT_THROW(set_sampling_field(params, "ignore_eos", 1), Error);
}

TEST(DefaultSampling, IsTheModelsOverTheApis) {
  GenerationConfig generation;
  SamplingParams bare = default_sampling(generation);
  EXPECT_EQ(bare.temperature, 1.0);
  EXPECT_EQ(bare.top_p, 1.0);
  EXPECT_FALSE(bare.max_tokens) << "up to the model's length, not the API's 16";
  generation.temperature = 0.6;
  generation.top_p = 0.95;
  generation.top_k = 20;
  generation.min_p = 0.1;
  generation.repetition_penalty = 1.1;
  SamplingParams params = default_sampling(generation);
  EXPECT_EQ(params.temperature, 0.6);
  EXPECT_EQ(params.top_p, 0.95);
  EXPECT_EQ(params.top_k, 20);
  EXPECT_EQ(params.min_p, 0.1);
  EXPECT_EQ(params.repetition_penalty, 1.1);
}

}  // namespace
}  // namespace cairn
