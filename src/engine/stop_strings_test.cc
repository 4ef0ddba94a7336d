#include "engine/stop_strings.h"

#include <gtest/gtest.h>

#include <random>

#include "base/text.h"
#include "engine/fake_model.h"
#include "engine/output_processor.h"

namespace cairn {
namespace {

// What a request must get: the text up to the first end of a stop string; of those ending together the first listed.
struct Expected {
  std::string text;
  std::optional<std::size_t> stop;
};
Expected naive(const std::string& text, const std::vector<std::string>& stops, bool include, std::size_t from = 0) {
  for (std::size_t end = from + 1; end <= text.size(); ++end) {
    for (std::size_t i = 0; i < stops.size(); ++i) {
      if (!std::string_view(text).substr(0, end).ends_with(stops[i])) continue;
      return {text.substr(0, include ? end : end - stops[i].size()), i};
    }
  }
  return {text, std::nullopt};
}

TEST(StopStringMatcher, HoldsBackExactlyWhatMayBecomeAStopString) {
  StopStringMatcher matcher({"</think>", "\n\nUser"});
  EXPECT_FALSE(matcher.push("hello <", true));
  EXPECT_EQ(matcher.held_back(), 1u);
  EXPECT_FALSE(matcher.push("/thin", true));
  EXPECT_EQ(matcher.held_back(), 6u);
  EXPECT_FALSE(matcher.push("gs\n", true));
  EXPECT_EQ(matcher.held_back(), 1u);
  EXPECT_FALSE(matcher.push("\n\n", true));
  EXPECT_EQ(matcher.held_back(), 2u);
  const auto match = matcher.push("User: ", true);
  ASSERT_TRUE(match);
  EXPECT_EQ(match->string, 1u);
  EXPECT_EQ(match->end, 4u);
}

class OutputFixture {
 public:
  explicit OutputFixture(SamplingParams params) {
    params.validate(48);
    auto info = std::make_shared<RequestInfo>();
    info->key = 1;
    info->id = "r";
    info->prompt = {1, 2, 3};
    info->params = std::move(params);
    processor.start(info, [this](RequestOutput&& piece) {
      EXPECT_EQ(complete_utf8_prefix(piece.text), piece.text.size());
      text += piece.text;
      tokens.insert(tokens.end(), piece.token_ids.begin(), piece.token_ids.end());
      last_piece = std::move(piece);
    });
  }
  void push(int token, std::optional<FinishReason> finish = std::nullopt) {
    SequenceOutput output;
    output.request_key = 1;
    output.token = token;
    output.finish_reason = finish;
    processor.process(std::move(output), nullptr);
  }

  testing::FakeTokenizer tokenizer;
  OutputProcessor processor{tokenizer, null_log()};
  std::string text;
  std::vector<int> tokens;
  RequestOutput last_piece;
};

TEST(OutputProcessor, StopStringsMatchTheNaiveReferenceOnRandomStreams) {
  std::mt19937 random(5);
  const auto below = [&](int n) { return static_cast<int>(random() % n); };
  int stopped = 0;
  for (int round = 0; round < 3000; ++round) {
    SamplingParams params;
    for (int i = 1 + below(3); i > 0; --i) {
      std::string stop;
      for (int length = 1 + below(5); length > 0; --length) {
        stop += below(10) == 0 ? "é" : below(12) == 0 ? "你" : std::string(1, static_cast<char>('a' + below(3)));
      }
      params.stop.push_back(stop);
    }
    params.include_stop_str_in_output = below(2) == 1;
    params.max_tokens = 40;
    params.min_tokens = below(4) == 0 ? below(8) : 0;
    OutputFixture fixture(params);
    std::vector<int> ids;
    std::size_t text_at_min = 0;
    for (int i = 0; i < 40; ++i) {
      ids.push_back(below(3) == 0 ? 37 + below(9) : below(2) == 0 ? 11 + below(3) : 2 + below(8));
      StreamDetokenizer stream(fixture.tokenizer, true);
      if (i + 1 == params.min_tokens) {
        for (const int id : ids) text_at_min += stream.push(id).size();
      }
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      fixture.push(ids[i], i + 1 == ids.size() ? std::optional(FinishReason::length) : std::nullopt);
    }
    const std::string whole = fixture.tokenizer.decode(ids, true);
    const Expected expected = naive(whole, params.stop, params.include_stop_str_in_output, text_at_min);
    ASSERT_EQ(fixture.text, expected.text) << "round " << round;
    ASSERT_TRUE(fixture.last_piece.last);
    ASSERT_EQ(fixture.last_piece.finish_reason, expected.stop ? FinishReason::stop : FinishReason::length);
    if (expected.stop) {
      ++stopped;
      ASSERT_EQ(fixture.last_piece.stop_reason, StopReason(params.stop[*expected.stop]));
      const auto ended = fixture.processor.take_ended();
      ASSERT_FALSE(ended.empty());
    }
  }
  EXPECT_GT(stopped, 1000);
}

TEST(OutputProcessor, OutputsAfterAStopStringAreDropped) {
  SamplingParams params;
  params.stop = {"cab"};
  OutputFixture fixture(params);
  fixture.push(*fixture.tokenizer.token_id("c"));
  EXPECT_EQ(fixture.text, "");
  fixture.push(*fixture.tokenizer.token_id("ab"));
  const auto ended = fixture.processor.take_ended();
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[0].index, 0) << "the scheduler must stop this choice";
  EXPECT_EQ(ended[1].index, -1);
  fixture.push(*fixture.tokenizer.token_id("x"));
  EXPECT_EQ(fixture.text, "");
  EXPECT_EQ(fixture.tokens.size(), 2u);
  EXPECT_TRUE(fixture.processor.take_ended().empty());
}

TEST(OutputProcessor, TheStopTokenIsReportedWithoutItsText) {
  OutputFixture without{SamplingParams{}};
  const int x = *without.tokenizer.token_id("x");
  without.push(x);
  without.push(x, FinishReason::stop);
  EXPECT_EQ(without.text, "x");
  EXPECT_EQ(without.tokens.size(), 2u);
  SamplingParams params;
  params.include_stop_str_in_output = true;
  OutputFixture with(params);
  with.push(x, FinishReason::stop);
  EXPECT_EQ(with.text, "x");
}

TEST(OutputProcessor, AnUnfinishedCharacterIsFlushedAtTheEnd) {
  OutputFixture fixture{SamplingParams{}};
  fixture.push(*fixture.tokenizer.token_id("\xE4"));
  EXPECT_EQ(fixture.text, "");
  fixture.push(*fixture.tokenizer.token_id("\xBD"), FinishReason::length);
  EXPECT_EQ(fixture.text, "\xEF\xBF\xBD");
}

TEST(OutputProcessor, HeldTextComesWithTheEnd) {
  SamplingParams params;
  params.stop = {"abcx"};
  OutputFixture fixture(params);
  fixture.push(*fixture.tokenizer.token_id("abc"));
  EXPECT_EQ(fixture.text, "");
  SequenceOutput cancelled;
  cancelled.request_key = 1;
  cancelled.finish_reason = FinishReason::abort;
  fixture.processor.process(std::move(cancelled), nullptr);
  EXPECT_EQ(fixture.text, "abc");
  EXPECT_EQ(fixture.last_piece.completion_tokens, 1);
}

TEST(OutputProcessor, TokensBeyondTheTokenizersVocabularyHaveNoText) {
  OutputFixture fixture{SamplingParams{}};
  fixture.push(47, FinishReason::length);
  EXPECT_EQ(fixture.text, "");
  EXPECT_EQ(fixture.tokens, std::vector{47});
}

}  // namespace
}  // namespace cairn
