#include "engine/sampling_params.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "base/error.h"

namespace cairn {
namespace {

std::string message_of(const std::function<void(SamplingParams&)>& change) {
  SamplingParams params;
  change(params);
  try {
    params.validate(100);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    return error.what();
  }
  return "accepted";
}

TEST(SamplingParams, MessagesAreVllms) {
  using P = SamplingParams;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const struct {
    std::function<void(P&)> change;
    const char* message;
  } cases[] = {
      {[](P& p) { p.n = 0; }, "n must be at least 1, got 0."},
      {[](P& p) { p.n = 16385; }, "n must be at most 16384, got 16385."},
      {[](P& p) { p.n = 2, p.temperature = 0; }, "n must be 1 when using greedy sampling, got 2."},
      {[](P& p) { p.presence_penalty = 2.5; }, "presence_penalty must be in [-2, 2], got 2.5."},
      {[](P& p) { p.frequency_penalty = -3; }, "frequency_penalty must be in [-2, 2], got -3.0."},
      {[](P& p) { p.repetition_penalty = 0; }, "repetition_penalty must be greater than zero, got 0.0."},
      {[=](P& p) { p.repetition_penalty = nan; }, "repetition_penalty must be a finite number, got nan."},
      {[](P& p) { p.temperature = -1; }, "temperature must be non-negative, got -1.0."},
      {[](P& p) { p.temperature = 2.1; }, "temperature must be in [0, 2], got 2.1."},
      {[=](P& p) { p.temperature = nan; }, "temperature must be a finite number, got nan."},
      {[](P& p) { p.top_p = 0; }, "top_p must be in (0, 1], got 0.0."},
      {[=](P& p) { p.top_p = nan; }, "top_p must be in (0, 1], got nan."},
      {[](P& p) { p.top_k = -2; }, "top_k must be 0 (disable), or at least 1, got -2."},
      {[](P& p) { p.min_p = 1.5; }, "min_p must be in [0, 1], got 1.5."},
      {[](P& p) { p.max_tokens = 0; }, "max_tokens must be at least 1, got 0."},
      {[](P& p) { p.min_tokens = -1; }, "min_tokens must be greater than or equal to 0, got -1."},
      {[](P& p) { p.min_tokens = 17; }, "min_tokens must be less than or equal to max_tokens=16, got 17."},
      {[](P& p) { p.logprobs = -2; }, "logprobs must be non-negative or -1, got -2."},
      {[](P& p) { p.prompt_logprobs = -2; }, "prompt_logprobs must be non-negative or -1, got -2."},
      {[](P& p) {
         p.stop = {"a", ""};
       },
       "stop cannot contain an empty string."},
      {[](P& p) { p.stop = {"a"}, p.detokenize = false; },
       "stop strings are only supported when detokenize is True. Set detokenize=True to use stop."},
      {[](P& p) { p.bad_words = {""}; }, "bad_words cannot contain an empty string."},
      {[](P& p) {
         p.stop_token_ids = {5, 100};
       },
       "token_id(s) [100] in stop_token_ids contain out-of-vocab token ids. Vocabulary size: 100"},
      {[](P& p) {
         p.logit_bias = {{-1, 1.0}};
       },
       "token_id(s) [-1] in logit_bias contain out-of-vocab token ids. Vocabulary size: 100"},
      {[](P& p) {
         p.allowed_token_ids = {3, 100};
       },
       "allowed_token_ids contains out-of-vocab token id!"},
  };
  for (const auto& test : cases) EXPECT_EQ(message_of(test.change), test.message);
}

TEST(SamplingParams, EdgesOfTheRangesAreAccepted) {
  EXPECT_EQ(message_of([](SamplingParams& p) {
              p.presence_penalty = -2, p.frequency_penalty = 2, p.temperature = 2, p.top_p = 1, p.top_k = -1;
              p.min_p = 1, p.max_tokens = 1, p.min_tokens = 1, p.logprobs = -1, p.n = 16384;
            }),
            "accepted");
}

TEST(SamplingParams, GreedyAndLowTemperaturesAreNormalised) {
  SamplingParams greedy;
  greedy.temperature = 1e-6;
  greedy.top_k = 5, greedy.top_p = 0.5, greedy.min_p = 0.5;
  greedy.validate(100);
  EXPECT_TRUE(greedy.greedy());
  EXPECT_EQ(greedy.top_k, 0);
  EXPECT_EQ(greedy.top_p, 1.0);
  EXPECT_EQ(greedy.min_p, 0.0);
  SamplingParams low;
  low.temperature = 0.001;
  low.seed = -1;
  low.logit_bias = {{1, 1000.0}};
  low.validate(100);
  EXPECT_EQ(low.temperature, 0.01);
  EXPECT_FALSE(low.seed);
  EXPECT_EQ(low.logit_bias[0].second, 100.0);
}

}  // namespace
}  // namespace cairn
