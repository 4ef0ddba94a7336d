// What requests mean, and how wrong ones are told so.
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "server/api_error.h"
#include "server/chat_request.h"
#include "server/completion_request.h"

namespace cairn::server {
namespace {

const Json kMessages = Json::array({{{"role", "user"}, {"content", "hi"}}});

Json chat(const Json& extra) {
  Json body = {{"messages", kMessages}};
  body.update(extra);
  return body;
}
Json completion(const Json& extra) {
  Json body = {{"prompt", "hi"}};
  body.update(extra);
  return body;
}

/// The error of parsing: its message, with the status in front when that is not 400.
template <typename Parse>
ApiError error_of(Parse parse) {
  try {
    parse();
  } catch (const ApiError& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was refused";
  return {0, ""};
}
ApiError chat_error(const Json& extra) {
  return error_of([&] { parse_chat_request(chat(extra), {}); });
}
ApiError completion_error(const Json& extra) {
  return error_of([&] { parse_completion_request(completion(extra), {}); });
}

TEST(BoundedJson, KeepsOrderAndTheLastOfEqualKeys) {
  EXPECT_EQ(to_text(parse_json(R"({"b": 1, "a": [true, null, 1.5, "é"], "b": 2})")),
            R"({"b":2,"a":[true,null,1.5,"é"]})");
}

TEST(BoundedJson, RefusesDepthSizeAndIllFormedText) {
  EXPECT_THROW(parse_json(std::string(100'000, '[')), Error);
  EXPECT_THROW(parse_json("[[1]]", {.max_depth = 1}), Error);
  EXPECT_THROW(parse_json("[1,2,3]", {.max_values = 3}), Error);
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "nul", "\"\xff\"", "{} {}", "1e999", "\"\\ud800\""}) {
    EXPECT_THROW(parse_json(text), Error) << text;
  }
  EXPECT_EQ(parse_json("[[1]]", {.max_depth = 2}).size(), 1u);
}

TEST(BoundedJson, ManyMembersTakeNearLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 300'000; ++i) text += fmt::format("\"k{}\":0,", i % 200'000);
  text += "\"end\":1}";
  EXPECT_EQ(parse_json(text).size(), 200'001u);  // a quadratic parser would not end within the test's time
}

TEST(SharedRequest, EveryParameterArrives) {
  const Json body =
      parse_json(R"({"prompt": "hi", "model": "m", "n": 2, "presence_penalty": 0.5, "frequency_penalty": -1,
      "repetition_penalty": 1.25, "temperature": 0.75, "top_p": 0.5, "top_k": 7, "min_p": 0.125, "seed": -9007199254740993,
      "max_tokens": 33, "min_tokens": 2, "stop": ["a", "b"], "stop_token_ids": [1, 2], "include_stop_str_in_output": true,
      "ignore_eos": true, "logit_bias": {"5": -3.5, "6": 1}, "bad_words": ["bad"], "allowed_token_ids": [3],
      "logprobs": 4, "prompt_logprobs": 1, "skip_special_tokens": false, "priority": -3, "cache_salt": "salt",
      "user": "someone", "no_such_field": {}})");
  const SharedRequest shared = parse_completion_request(body, {}).shared;
  const SamplingParams& p = shared.params;
  EXPECT_EQ(shared.model, "m");
  EXPECT_EQ(shared.priority, -3);
  EXPECT_EQ(shared.cache_salt, "salt");
  EXPECT_EQ(p.n, 2);
  EXPECT_EQ(p.presence_penalty, 0.5);
  EXPECT_EQ(p.frequency_penalty, -1);
  EXPECT_EQ(p.repetition_penalty, 1.25);
  EXPECT_EQ(p.temperature, 0.75);
  EXPECT_EQ(p.top_p, 0.5);
  EXPECT_EQ(p.top_k, 7);
  EXPECT_EQ(p.min_p, 0.125);
  EXPECT_EQ(p.seed, -9007199254740993) << "more than a double holds";
  EXPECT_EQ(p.max_tokens, 33);
  EXPECT_EQ(p.min_tokens, 2);
  EXPECT_EQ(p.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(p.stop_token_ids, (std::vector<int>{1, 2}));
  EXPECT_TRUE(p.include_stop_str_in_output);
  EXPECT_TRUE(p.ignore_eos);
  EXPECT_EQ(p.logit_bias, (std::vector<std::pair<int, double>>{{5, -3.5}, {6, 1.0}}));
  EXPECT_EQ(p.bad_words, std::vector<std::string>{"bad"});
  EXPECT_EQ(p.allowed_token_ids, std::vector<int>{3});
  EXPECT_EQ(p.logprobs, 4);
  EXPECT_EQ(p.prompt_logprobs, 1);
  EXPECT_FALSE(p.skip_special_tokens);
}

TEST(SharedRequest, NullIsNotGivenAndIntegralFloatsAreIntegers) {
  const SamplingParams p =
      parse_completion_request(completion({{"temperature", nullptr}, {"stop", nullptr}, {"top_k", 5.0}}), {})
          .shared.params;
  EXPECT_EQ(p.temperature, 1.0);
  EXPECT_TRUE(p.stop.empty());
  EXPECT_EQ(p.top_k, 5);
}

TEST(SharedRequest, DefaultsComeFromTheModel) {
  GenerationConfig defaults;
  defaults.temperature = 0.6;
  defaults.top_p = 0.9;
  defaults.top_k = 20;
  defaults.min_p = 0.1;
  defaults.repetition_penalty = 1.1;
  const SamplingParams p = parse_chat_request(chat({{"top_p", 0.5}}), defaults).shared.params;
  EXPECT_EQ(p.temperature, 0.6);
  EXPECT_EQ(p.top_p, 0.5) << "the request's own value counts";
  EXPECT_EQ(p.top_k, 20);
  EXPECT_EQ(p.min_p, 0.1);
  EXPECT_EQ(p.repetition_penalty, 1.1);
}

TEST(SharedRequest, WrongTypesNameFieldValueAndWhatIsAccepted) {
  const ApiError error = chat_error({{"temperature", "hot"}});
  EXPECT_EQ(error.status(), 400);
  EXPECT_EQ(error.param(), "temperature");
  EXPECT_STREQ(error.what(), "temperature must be a number, got the string \"hot\"");
  EXPECT_EQ(chat_error({{"max_tokens", 2.5}}).param(), "max_tokens");
  EXPECT_EQ(chat_error({{"max_tokens", 1e12}}).param(), "max_tokens");
  EXPECT_EQ(chat_error({{"n", true}}).param(), "n");
  EXPECT_EQ(chat_error({{"stop", Json::array({"a", 1})}}).param(), "stop");
  EXPECT_EQ(chat_error({{"stream", "yes"}}).param(), "stream");
  EXPECT_EQ(chat_error({{"stop_token_ids", Json::array({"a"})}}).param(), "stop_token_ids");
  EXPECT_EQ(chat_error({{"logit_bias", {{"x", 1}}}}).param(), "logit_bias");
  EXPECT_EQ(chat_error({{"logit_bias", {{"1", "x"}}}}).param(), "logit_bias");
  EXPECT_EQ(chat_error({{"seed", 1e30}}).param(), "seed");
  EXPECT_EQ(error_of([] { parse_chat_request(Json::array(), {}); }).status(), 400);
}

TEST(SharedRequest, WhatIsNotThereIsSaidToBeUnsupported) {
  for (const Json& extra : {Json{{"response_format", {{"type", "json_object"}}}}, Json{{"guided_json", Json::object()}},
                            Json{{"use_beam_search", true}}, Json{{"functions", Json::array()}}}) {
    const ApiError error = chat_error(extra);
    EXPECT_EQ(error.status(), 400);
    EXPECT_NE(std::string(error.what()).find("unsupported"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(parse_chat_request(chat({{"response_format", {{"type", "text"}}}, {"use_beam_search", false}}), {}));
}

TEST(SharedRequest, StreamOptionsNeedAStream) {
  EXPECT_EQ(chat_error({{"stream_options", {{"include_usage", true}}}}).param(), "stream_options");
  const SharedRequest shared =
      parse_chat_request(chat({{"stream", true}, {"stream_options", {{"include_usage", true}}}}), {}).shared;
  EXPECT_TRUE(shared.include_usage);
  EXPECT_FALSE(shared.continuous_usage);
  EXPECT_EQ(chat_error({{"stream", true}, {"prompt_logprobs", 1}}).param(), "prompt_logprobs");
}

TEST(FitMaxTokens, NamesBothLengths) {
  SamplingParams params;
  params.max_tokens = 100;
  const ApiError sum = error_of([&] { fit_max_tokens(params, 50, 128, 16); });
  EXPECT_NE(std::string(sum.what())
                .find("too large: 100. This model's maximum context length is 128 tokens and your "
                      "request has 50 input tokens"),
            std::string::npos);
  const ApiError prompt = error_of([&] { fit_max_tokens(params, 128, 128, 16); });
  EXPECT_NE(std::string(prompt.what()).find("maximum context length is 128 tokens. However, your request has 128"),
            std::string::npos);
  params.max_tokens.reset();
  fit_max_tokens(params, 120, 128, 16);
  EXPECT_EQ(params.max_tokens, 8);
  params.max_tokens.reset();
  fit_max_tokens(params, 50, 128, std::nullopt);
  EXPECT_EQ(params.max_tokens, 78);
}

TEST(ChatRequest, ContentPartsAreJoinedAndOtherPartsRefused) {
  const Json parts = Json::array({{{"type", "text"}, {"text", "a"}}, {{"type", "text"}, {"text", "b"}}});
  const Json messages = Json::array({{{"role", "user"}, {"content", parts}}});
  EXPECT_EQ(parse_chat_request(chat({{"messages", messages}}), {}).conversation.messages[0]["content"], "a\nb");
  const Json image = Json::array({{{"role", "user"}, {"content", Json::array({{{"type", "image_url"}}})}}});
  const ApiError error = chat_error({{"messages", image}});
  EXPECT_STREQ(error.what(), "messages[0].content[0].type \"image_url\" is unsupported; the only one is text");
}

TEST(ChatRequest, MalformedMessagesAreNamed) {
  for (const char* messages :
       {"[]", "[1]", "[{}]", R"([{"role": 1, "content": ""}])", R"([{"role": "user"}])",
        R"([{"role": "user", "content": 5}])", R"([{"role": "user", "content": [5]}])",
        R"([{"role": "assistant", "tool_calls": 5}])", R"([{"role": "assistant", "tool_calls": [{}]}])",
        R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}])"}) {
    EXPECT_EQ(chat_error({{"messages", parse_json(messages)}}).param(), "messages") << messages;
  }
}

TEST(ChatRequest, ArgumentsOfCallsBecomeObjectsForTheTemplate) {
  const Json messages = parse_json(
      R"([{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
          {"role": "tool", "content": "done", "tool_call_id": "1"}])");
  const Json parsed = parse_chat_request(chat({{"messages", messages}}), {}).conversation.messages;
  EXPECT_EQ(parsed[0]["tool_calls"][0]["function"]["arguments"]["x"], 1);
  EXPECT_EQ(parsed[0]["content"], "");
  EXPECT_EQ(parsed[1]["tool_call_id"], "1");
}

TEST(ChatRequest, LogprobsFollowOpenAisTwoFields) {
  EXPECT_EQ(parse_chat_request(chat({{"logprobs", true}}), {}).shared.params.logprobs, 0);
  EXPECT_EQ(parse_chat_request(chat({{"logprobs", true}, {"top_logprobs", 5}}), {}).shared.params.logprobs, 5);
  EXPECT_EQ(parse_chat_request(chat(Json::object()), {}).shared.params.logprobs, std::nullopt);
  EXPECT_EQ(chat_error({{"top_logprobs", 5}}).param(), "top_logprobs");
}

TEST(ChatRequest, NewNameOfMaxTokensWins) {
  EXPECT_EQ(parse_chat_request(chat({{"max_completion_tokens", 5}, {"max_tokens", 9}}), {}).shared.params.max_tokens,
            5);
}

TEST(RenderConversation, TemplateSeesMessagesToolsAndKwargs) {
  const ChatTemplate source(
      "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
      "{% if tools %}[{{ tools[0].function.name }}]{% endif %}{{ mood }}{% if add_generation_prompt %}<assistant>{% "
      "endif %}");
  const Json extra = {{"tools", Json::array({{{"type", "function"}, {"function", {{"name", "f"}}}}})},
                      {"chat_template_kwargs", {{"mood", "calm"}}}};
  const TemplateSettings settings{&source, "<s>", "</s>", false};
  EXPECT_EQ(render_conversation(parse_chat_request(chat(extra), {}).conversation, settings),
            "<s><user>hi[f]calm<assistant>");
  EXPECT_EQ(chat_error({{"tool_choice", "required"}}).param(), "tool_choice");
}

TEST(RenderConversation, FinalMessageIsLeftOpenToContinue) {
  const ChatTemplate source("{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>\n{% endfor %}");
  const Json messages =
      Json::array({{{"role", "user"}, {"content", "hi"}}, {{"role", "assistant"}, {"content", " he"}}});
  const Json extra = {{"messages", messages}, {"continue_final_message", true}, {"add_generation_prompt", false}};
  const TemplateSettings settings{&source, "", "", false};
  EXPECT_EQ(render_conversation(parse_chat_request(chat(extra), {}).conversation, settings),
            "<user>hi</s>\n<assistant> he");
  EXPECT_EQ(chat_error({{"continue_final_message", true}}).param(), "continue_final_message");
}

TEST(RenderConversation, TemplatesInRequestsNeedTrust) {
  Conversation conversation = parse_chat_request(chat({{"chat_template", "own"}}), {}).conversation;
  EXPECT_EQ(error_of([&] { render_conversation(conversation, {}); }).param(), "chat_template");
  EXPECT_EQ(render_conversation(conversation, {nullptr, "", "", true}), "own");
  conversation.own_template = "{{ raise_exception('no such role') }}";
  const ApiError refused = error_of([&] { render_conversation(conversation, {nullptr, "", "", true}); });
  EXPECT_EQ(refused.status(), 400);
  EXPECT_NE(std::string(refused.what()).find("no such role"), std::string::npos);
}

TEST(CompletionRequest, PromptsInFourForms) {
  const auto prompts = [](const char* prompt) {
    return parse_completion_request(completion({{"prompt", parse_json(prompt)}}), {}).prompts;
  };
  EXPECT_EQ(prompts("\"a\""), (std::vector<Prompt>{std::string("a")}));
  EXPECT_EQ(prompts(R"(["a", "b"])"), (std::vector<Prompt>{std::string("a"), std::string("b")}));
  EXPECT_EQ(prompts("[1, 2]"), (std::vector<Prompt>{std::vector<int>{1, 2}}));
  EXPECT_EQ(prompts("[[1], [2, 3]]"), (std::vector<Prompt>{std::vector<int>{1}, std::vector<int>{2, 3}}));
  for (const char* wrong : {"null", "5", "[]", "[1, \"a\"]", "[1.5]", "[[\"a\"]]", "{}", "[true]", "[99999999999]"}) {
    EXPECT_EQ(completion_error({{"prompt", parse_json(wrong)}}).param(), "prompt") << wrong;
  }
}

TEST(CompletionRequest, SuffixAndBestOfAreRefusedUnlessTheySayNothing) {
  EXPECT_EQ(completion_error({{"suffix", "x"}}).param(), "suffix");
  EXPECT_EQ(completion_error({{"best_of", 3}}).param(), "best_of");
  EXPECT_NO_THROW(parse_completion_request(completion({{"suffix", ""}, {"best_of", 2}, {"n", 2}}), {}));
  EXPECT_EQ(completion_error({{"logprobs", -1}}).param(), "logprobs");
}

TEST(ErrorReply, KindsMapToStatusAndType) {
  const auto reply = [](ErrorKind kind) { return error_reply(std::make_exception_ptr(Error(kind, "m"))); };
  EXPECT_EQ(reply(ErrorKind::invalid_argument).status, 400);
  EXPECT_EQ(reply(ErrorKind::unsupported).status, 400);
  EXPECT_EQ(reply(ErrorKind::not_found).status, 404);
  EXPECT_EQ(reply(ErrorKind::resource_exhausted).status, 429);
  EXPECT_EQ(reply(ErrorKind::cancelled).status, 503);
  EXPECT_EQ(reply(ErrorKind::invalid_argument).body,
            R"({"error":{"message":"m","type":"BadRequestError","param":null,"code":400}})");
  const Reply unknown = error_reply(std::make_exception_ptr(std::runtime_error("/secret/path")));
  EXPECT_EQ(unknown.status, 500);
  EXPECT_EQ(unknown.body.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace cairn::server
