#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include "base/error.h"
#include "engine/fake_model.h"
#include "engine/logit_processors.h"
#include "engine/logprobs.h"
#include "engine/random.h"
#include "engine/row_scan.h"
#include "engine/token_choice.h"

namespace cairn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_row(std::size_t size, std::uint64_t seed, double spread = 2.0) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0, static_cast<float>(spread));
  std::vector<float> row(size);
  for (float& x : row) x = normal(random);
  return row;
}

TEST(RowScan, ExpIsWithinTwoUlpAndEndsAtZero) {
  for (double x = 0; x > -86.9; x -= 0.00137) {
    const double exact = std::exp(static_cast<double>(static_cast<float>(x)));
    ASSERT_NEAR(exp_nonpositive(static_cast<float>(x)) / exact, 1.0, 2.5e-7) << x;
  }
  EXPECT_EQ(exp_nonpositive(0), 1.0f);
  EXPECT_EQ(exp_nonpositive(-88), 0.0f);
  EXPECT_EQ(exp_nonpositive(-kInfinity), 0.0f);
}

TEST(RowScan, AgreesWithPlainLoopsAtAllSizes) {
  for (const std::size_t size : {1u, 2u, 15u, 127u, 128u, 129u, 255u, 256u, 1000u, 4096u}) {
    std::vector<float> row = random_row(size, size);
    row[size / 2] = row[size - 1] = *std::max_element(row.begin(), row.end());
    RowSummary summary;
    summarize(row, summary);
    EXPECT_FALSE(summary.invalid);
    EXPECT_EQ(first_max(row, summary), std::max_element(row.begin(), row.end()) - row.begin()) << "the first of equals";
    double exact = 0;
    for (const float x : row) exact += std::exp((static_cast<double>(x) - summary.max) * 0.7);
    EXPECT_NEAR(exp_sum(row, summary.max, 0.7f) / exact, 1.0, 1e-6);
    EXPECT_EQ(count_above(row, 0.5f), std::count_if(row.begin(), row.end(), [](float x) { return x > 0.5f; }));
    row[size - 1] = std::nanf("");
    summarize(row, summary);
    EXPECT_TRUE(summary.invalid);
  }
}

TEST(Random, PhiloxMatchesThePublishedVectors) {
  // Known answers of the authors' Random123 package, philox4x32 with 10 rounds.
  const auto zeros = philox({0, 0, 0, 0}, {0, 0});
  EXPECT_EQ(zeros, (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const auto ones = philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff});
  EXPECT_EQ(ones, (std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

// Probabilities after the filters, by sorting: what draw_token must follow.
std::vector<double> exact_distribution(const std::vector<float>& row, const TokenFilter& filter) {
  std::vector<double> weight(row.size());
  const float max = *std::max_element(row.begin(), row.end());
  for (std::size_t i = 0; i < row.size(); ++i) weight[i] = std::exp((row[i] - max) / filter.temperature);
  for (double& w : weight) w = w >= filter.min_p ? w : 0;
  std::vector<int> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return row[a] > row[b]; });
  if (filter.top_k > 0 && filter.top_k < static_cast<int>(row.size())) {
    for (double& w : weight) w = w >= weight[order[filter.top_k - 1]] ? w : 0;
  }
  const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
  double kept = 0;
  for (const int id : order) {
    if (filter.top_p < 1 && kept >= filter.top_p * total) weight[id] = 0;
    kept += weight[id];
  }
  const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
  for (double& w : weight) w /= sum;
  return weight;
}

// Pearson's chi-square against the exact distribution; rare tokens are pooled so that each cell expects at least 10.
void expect_follows(const std::vector<float>& row, const TokenFilter& filter, const char* what) {
  const std::vector<double> exact = exact_distribution(row, filter);
  constexpr int kDraws = 20000;
  std::vector<int> seen(row.size(), 0);
  ChoiceScratch scratch;
  summarize(row, scratch.summary);
  for (int i = 0; i < kDraws; ++i) ++seen[draw_token(row, filter, uniform(99, 3, i), scratch)];
  double chi = 0, pooled_expected = 0, pooled_seen = 0;
  int cells = 0;
  for (std::size_t id = 0; id < row.size(); ++id) {
    if (exact[id] == 0) {
      ASSERT_EQ(seen[id], 0) << what << ": token " << id << " was filtered out";
    } else if (exact[id] * kDraws >= 10) {
      const double expected = exact[id] * kDraws;
      chi += (seen[id] - expected) * (seen[id] - expected) / expected;
      ++cells;
    } else {
      pooled_expected += exact[id] * kDraws;
      pooled_seen += seen[id];
    }
  }
  if (pooled_expected >= 10) {
    chi += (pooled_seen - pooled_expected) * (pooled_seen - pooled_expected) / pooled_expected;
    ++cells;
  }
  const double freedom = std::max(cells - 1, 1);
  EXPECT_LT(chi, freedom + 5 * std::sqrt(2 * freedom) + 5) << what;
}

TEST(TokenChoice, DrawsFollowTheExactDistributionOfEachFilter) {
  const std::vector<float> row = random_row(700, 5);
  expect_follows(row, {}, "none");
  expect_follows(row, {.temperature = 0.3}, "temperature 0.3");
  expect_follows(row, {.temperature = 2.0}, "temperature 2");
  expect_follows(row, {.top_k = 1}, "top_k 1");
  expect_follows(row, {.top_k = 5}, "top_k 5");
  expect_follows(row, {.top_k = 300}, "top_k 300");
  expect_follows(row, {.top_p = 0.1}, "top_p 0.1");
  expect_follows(row, {.top_p = 0.9}, "top_p 0.9");
  expect_follows(row, {.temperature = 2.0, .top_p = 0.99}, "top_p 0.99 flat");
  expect_follows(row, {.min_p = 0.1}, "min_p 0.1");
  expect_follows(row, {.min_p = 1.0}, "min_p 1");
  expect_follows(row, {.temperature = 1.5, .min_p = 0.02, .top_k = 50, .top_p = 0.8}, "all");
}

TEST(TokenChoice, KeepsExactlyTheTokensOfTheDefinitionOnRandomRows) {
  std::mt19937 random(17);
  ChoiceScratch scratch;
  for (int round = 0; round < 150; ++round) {
    std::vector<float> row = random_row(1 + random() % 3000, round, 0.5 + (random() % 8));
    for (int i = 0; i < 3; ++i) row[random() % row.size()] = row[random() % row.size()];  // ties
    if (round % 5 == 0 && row.size() > 2) row[random() % row.size()] = -kInfinity;
    TokenFilter filter;
    filter.temperature = 0.1 + (random() % 19) / 10.0;
    if (random() % 2) filter.top_k = 1 + random() % 400;
    if (random() % 2) filter.top_p = 0.05 + (random() % 90) / 100.0;
    if (random() % 2) filter.min_p = (random() % 100) / 200.0;
    const std::vector<double> exact = exact_distribution(row, filter);
    summarize(row, scratch.summary);
    // Sweeping u visits every kept token that holds more than the sweep's step.
    std::vector<bool> seen(row.size(), false);
    for (int i = 0; i <= 500; ++i) seen[draw_token(row, filter, std::min(i / 500.0, 1 - 1e-9), scratch)] = true;
    double lost = 0;
    for (std::size_t id = 0; id < row.size(); ++id) {
      if (seen[id] && exact[id] == 0) ++lost;
      ASSERT_TRUE(seen[id] || exact[id] < 4.1e-3) << "round " << round;
    }
    ASSERT_LE(lost, 1) << "round " << round << ": only the token at the edge of top_p may differ, by rounding";
  }
}

TEST(Logprobs, AreTheRawLogSoftmaxWithRanks) {
  std::vector<float> row = random_row(1500, 3);
  row[700] = row[900] = 9.0f;
  row[20] = -kInfinity;
  double sum = 0;
  for (const float x : row) sum += std::exp(static_cast<double>(x));
  ChoiceScratch scratch;
  const PositionLogprobs got = compute_logprobs(row, 123, 5, scratch);
  EXPECT_NEAR(got.chosen.logprob, row[123] - std::log(sum), 1e-5);
  EXPECT_EQ(got.chosen.rank, 1 + std::count_if(row.begin(), row.end(), [&](float x) { return x > row[123]; }));
  ASSERT_EQ(got.top.size(), 5u);
  EXPECT_EQ(got.top[0].token_id, 700);
  EXPECT_EQ(got.top[1].token_id, 900);
  EXPECT_EQ(got.top[1].rank, 1);
  EXPECT_EQ(got.top[2].rank, 3);
  EXPECT_EQ(compute_logprobs(row, 1, 0, scratch).top.size(), 0u);
  EXPECT_EQ(compute_logprobs(row, 1, -1, scratch).top.size(), 1500u);
  EXPECT_EQ(compute_logprobs(row, 20, 1, scratch).chosen.logprob, -kInfinity);
  row[4] = std::nanf("");
  EXPECT_THROW(compute_logprobs(row, 1, 1, scratch), Error);
}

Sequence make_sequence(SamplingParams params, std::vector<int> output = {}, std::vector<int> prompt = {1, 2}) {
  auto info = std::make_shared<RequestInfo>();
  params.validate(48);
  info->params = std::move(params);
  info->prompt = std::move(prompt);
  info->eos_token_ids = {0};
  info->seed = 7;
  Sequence sequence(info, 0);
  sequence.output = std::move(output);
  return sequence;
}

std::vector<float> processed(std::vector<float> row, Sequence sequence) {
  if (has_logit_processors(sequence)) apply_logit_processors(row, sequence);
  return row;
}

TEST(LogitProcessors, PenaltiesFollowTheirFormulas) {
  std::vector<float> row(48, 1.0f);
  row[5] = -1.0f;
  SamplingParams params;
  params.repetition_penalty = 2;
  params.frequency_penalty = 0.5;
  params.presence_penalty = 0.25;
  const std::vector<float> got = processed(row, make_sequence(params, {5, 6, 6}, {1, 5}));
  EXPECT_FLOAT_EQ(got[1], 0.5f) << "in the prompt only: repetition";
  EXPECT_FLOAT_EQ(got[5], -2.0f - 0.5f - 0.25f) << "negative logits are multiplied";
  EXPECT_FLOAT_EQ(got[6], 0.5f - 1.0f - 0.25f);
  EXPECT_FLOAT_EQ(got[7], 1.0f);
}

TEST(LogitProcessors, CountsGrowWithTheOutput) {
  SamplingParams params;
  params.frequency_penalty = 1;
  Sequence sequence = make_sequence(params, {3});
  std::vector<float> row(48, 0.0f);
  apply_logit_processors(row, sequence);
  sequence.output.push_back(3);
  std::vector<float> later(48, 0.0f);
  apply_logit_processors(later, sequence);
  EXPECT_FLOAT_EQ(row[3], -1);
  EXPECT_FLOAT_EQ(later[3], -2);
}

TEST(LogitProcessors, ExtremePenaltiesStayNumbers) {
  for (const double penalty : {1e-300, 1e300}) {
    SamplingParams params;
    params.repetition_penalty = penalty;
    std::vector<float> row = {0, 1e30f, -1e30f, 5, -kInfinity};
    row.resize(48, 0);
    for (const float x : processed(row, make_sequence(params, {}, {0, 1, 2, 3, 4}))) {
      EXPECT_FALSE(std::isnan(x));
      EXPECT_LT(x, kInfinity);
    }
  }
}

TEST(LogitProcessors, MasksWhatIsNotAllowed) {
  SamplingParams params;
  params.allowed_token_ids = {9, 4};
  params.logit_bias = {{9, -300.0}, {11, 50.0}};
  const std::vector<float> got = processed(std::vector<float>(48, 1.0f), make_sequence(params));
  for (int id = 0; id < 48; ++id) {
    EXPECT_EQ(got[id] == -kInfinity, id != 4 && id != 9) << id;
  }
  EXPECT_FLOAT_EQ(got[9], -99.0f) << "a bias is clamped to 100";
}

TEST(LogitProcessors, MinTokensMaskWhatWouldEndTheAnswer) {
  SamplingParams params;
  params.min_tokens = 2;
  params.stop_token_ids = {8};
  const std::vector<float> early = processed(std::vector<float>(48, 1.0f), make_sequence(params, {3}));
  EXPECT_EQ(early[0], -kInfinity);
  EXPECT_EQ(early[8], -kInfinity);
  EXPECT_FALSE(has_logit_processors(make_sequence(params, {3, 4})));
}

TEST(LogitProcessors, BadWordsBlockOnlyTheirLastTokenAfterTheOthers) {
  const testing::FakeTokenizer tokenizer;
  const int a_spaced = *tokenizer.token_id(" a"), a = *tokenizer.token_id("a"), x = *tokenizer.token_id("x");
  const std::vector<std::string> words = {"a", "  xa"};
  const auto tokens = tokenize_bad_words(words, tokenizer, 48);
  ASSERT_EQ(tokens.size(), 3u) << "\"a\", \" a\", \"xa\"; \" xa\" has another length";
  EXPECT_EQ(tokens[0], std::vector{a});
  EXPECT_EQ(tokens[1], std::vector{a_spaced});
  EXPECT_EQ(tokens[2], (std::vector{x, a}));

  auto info = std::make_shared<RequestInfo>();
  info->bad_words = {{x, a}, {x, x, 40}};
  Sequence sequence(info, 0);
  EXPECT_EQ(processed(std::vector<float>(48, 1.0f), sequence)[a], 1.0f);
  sequence.output = {5, x};
  EXPECT_EQ(processed(std::vector<float>(48, 1.0f), sequence)[a], -kInfinity);
  EXPECT_EQ(processed(std::vector<float>(48, 1.0f), sequence)[40], 1.0f);
  sequence.output = {x, x};
  EXPECT_EQ(processed(std::vector<float>(48, 1.0f), sequence)[40], -kInfinity);
  EXPECT_THROW(tokenize_bad_words(std::vector<std::string>{" "}, tokenizer, 48), Error);
  EXPECT_THROW(tokenize_bad_words(std::vector<std::string>{"x"}, tokenizer, x), Error);
}

TEST(Sampler, ReportsALackOfTokensAndNanAsErrorsOfThatRowAlone) {
  testing::FakeRunner runner;
  SamplingParams params;
  Sequence fine = make_sequence(params), nan = make_sequence(params), nothing = make_sequence(params);
  SchedulerOutput plan;
  for (Sequence* s : {&fine, &nan, &nothing}) plan.scheduled.push_back({s, 0, 2, 0, 0, true});
  std::vector<float> logits(3 * 48, 0.5f);
  logits[48 + 7] = std::nanf("");
  std::fill(logits.begin() + 96, logits.end(), -kInfinity);
  Sampler sampler;
  const std::vector<SampleResult> results = sampler.sample(plan, logits, runner);
  EXPECT_TRUE(results[0].token);
  EXPECT_NE(results[1].error, "");
  EXPECT_NE(results[2].error, "");
  EXPECT_THROW(sampler.sample(plan, std::span(logits).first(48), runner), Error);
}

TEST(Sampler, LogprobsAreRawEvenWhereProcessorsChangeTheRow) {
  testing::FakeRunner runner;
  SamplingParams params;
  params.temperature = 0;
  params.logprobs = 1;
  params.logit_bias = {{10, 100.0}};
  Sequence sequence = make_sequence(params);
  SchedulerOutput plan;
  plan.scheduled.push_back({&sequence, 0, 2, 0, 0, true});
  std::vector<float> logits(48, 0.0f);
  logits[20] = 1.0f;
  Sampler sampler;
  const SampleResult result = sampler.sample(plan, logits, runner)[0];
  EXPECT_EQ(result.token, 10);
  EXPECT_NEAR(result.logprobs->chosen.logprob, -std::log(47 + std::exp(1.0)), 1e-5);
  EXPECT_EQ(result.logprobs->top[0].token_id, 20);
}

}  // namespace
}  // namespace cairn
