// Generation over real sockets: chat completions and completions, whole and streamed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "server/test_server.h"

namespace cairn::server::testing {
namespace {

const Json kUser = Json::array({{{"role", "user"}, {"content", "abc cab"}}});

Json chat(Json extra = Json::object()) {
  Json body = {{"model", "fake"}, {"messages", kUser}, {"max_tokens", 6}, {"temperature", 0}, {"ignore_eos", true}};
  body.update(extra);
  return body;
}
Json completion(Json extra = Json::object()) {
  Json body = {{"model", "fake"}, {"prompt", "abc cab"}, {"max_tokens", 6}, {"temperature", 0}, {"ignore_eos", true}};
  body.update(extra);
  return body;
}
std::string greedy_text(const TestServer& server, const std::string& prompt, int count) {
  const std::vector<int> ids = server.tokenizer->encode(prompt, false);
  std::vector<int> output = cairn::testing::fake_greedy(ids, count, 48);
  std::erase_if(output, [](int id) { return id >= 46; });  // padding of the vocabulary has no text
  return server.tokenizer->decode(output, true);
}

TEST(ChatCompletions, AnswerIsTheModelsGreedyTextWithUsage) {
  TestServer server;
  const Answer answer = server.post("/v1/chat/completions", chat());
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json json = answer.json();
  EXPECT_EQ(json["object"], "chat.completion");
  EXPECT_EQ(json["model"], "fake");
  EXPECT_TRUE(json["id"].get<std::string>().starts_with("chatcmpl-"));
  ASSERT_EQ(json["choices"].size(), 1u);
  const Json& choice = json["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], greedy_text(server, "abc cab b", 6));
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_EQ(choice["logprobs"], nullptr);
  const auto prompt = static_cast<int>(server.tokenizer->encode("abc cab b", false).size());
  EXPECT_EQ(json["usage"]["prompt_tokens"], prompt);
  EXPECT_EQ(json["usage"]["completion_tokens"], 6);
  EXPECT_EQ(json["usage"]["total_tokens"], prompt + 6);
  EXPECT_EQ(json["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
}

TEST(ChatCompletions, StreamedPiecesAreTheWholeAnswer) {
  TestServer server;
  const Answer answer = server.post(
      "/v1/chat/completions",
      chat({{"stream", true}, {"stream_options", {{"include_usage", true}, {"continuous_usage_stats", true}}}}));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_NE(answer.head.find("Content-Type: text/event-stream"), std::string::npos);
  const std::vector<std::string> events = answer.events();
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events.back(), "[DONE]");
  const Json first = parse_json(events.front());
  EXPECT_EQ(first["object"], "chat.completion.chunk");
  EXPECT_EQ(first["choices"][0]["delta"]["role"], "assistant");
  std::string text;
  Json finish;
  for (std::size_t i = 0; i + 2 < events.size(); ++i) {
    const Json chunk = parse_json(events[i]);
    EXPECT_EQ(chunk["id"], first["id"]);
    EXPECT_TRUE(chunk.contains("usage"));
    const Json& choice = chunk["choices"][0];
    text += choice["delta"].value("content", "");
    if (!choice["finish_reason"].is_null()) finish = choice["finish_reason"];
  }
  EXPECT_EQ(text, greedy_text(server, "abc cab b", 6));
  EXPECT_EQ(finish, "length");
  const Json usage = parse_json(events[events.size() - 2]);
  EXPECT_TRUE(usage["choices"].empty());
  EXPECT_EQ(usage["usage"]["completion_tokens"], 6);
}

TEST(ChatCompletions, LogprobsCarryTokenBytesAndAlternatives) {
  TestServer server;
  const Json json = server.post("/v1/chat/completions", chat({{"logprobs", true}, {"top_logprobs", 3}})).json();
  const Json& content = json["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 6u);
  for (const Json& entry : content) {
    ASSERT_EQ(entry["top_logprobs"].size(), 3u);
    EXPECT_LE(entry["logprob"].get<double>(), 0);
    EXPECT_EQ(entry["top_logprobs"][0]["token"], entry["token"]) << "greedy chooses the likeliest";
    EXPECT_EQ(entry["top_logprobs"][0]["bytes"], entry["bytes"]);
    EXPECT_GE(entry["top_logprobs"][0]["logprob"], entry["top_logprobs"][1]["logprob"]);
  }
}

TEST(ChatCompletions, ManyChoicesEachEndOnce) {
  TestServer server;
  const Json extra = {{"n", 3}, {"temperature", 1.0}, {"seed", 7}, {"stream", true}};
  const Answer answer = server.post("/v1/chat/completions", chat(extra));
  std::map<int, int> ends;
  for (const std::string& event : answer.events()) {
    if (event == "[DONE]") continue;
    const Json chunk = parse_json(event);
    for (const Json& choice : chunk["choices"]) {
      if (!choice["finish_reason"].is_null()) ++ends[choice["index"].get<int>()];
    }
  }
  EXPECT_EQ(ends, (std::map<int, int>{{0, 1}, {1, 1}, {2, 1}}));
  const Json whole = server.post("/v1/chat/completions", chat({{"n", 3}, {"temperature", 1.0}, {"seed", 7}})).json();
  EXPECT_EQ(whole["choices"].size(), 3u);
  EXPECT_EQ(whole["usage"]["completion_tokens"], 18);
}

TEST(ChatCompletions, StopStringEndsTheAnswerAndIsNamed) {
  TestServer server;
  const std::string text = greedy_text(server, "abc cab b", 6);
  const auto letter = std::ranges::find_if(text.begin() + 1, text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  ASSERT_NE(letter, text.end());
  const std::string stop(1, *letter);
  const Json json = server.post("/v1/chat/completions", chat({{"stop", Json::array({stop})}})).json();
  EXPECT_EQ(json["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(json["choices"][0]["stop_reason"], stop);
  EXPECT_EQ(json["choices"][0]["message"]["content"], text.substr(0, text.find(stop)));
}

TEST(ChatCompletions, RestOfTheContextIsTheDefaultLength) {
  TestServer server;
  Json body = chat();
  body.erase("max_tokens");
  const Json json = server.post("/v1/chat/completions", body).json();
  EXPECT_EQ(json["usage"]["total_tokens"], 128);
}

TEST(ChatCompletions, ModelWithoutTemplateRefusesMessages) {
  TestServer::Options options = TestServer::make_options();
  options.with_template = false;
  TestServer server(options);
  const Answer answer = server.post("/v1/chat/completions", chat());
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("no chat template"), std::string::npos);
}

TEST(Completions, PromptsOfEveryFormAreAnsweredInOrder) {
  TestServer server;
  const std::vector<int> ids = server.tokenizer->encode("abc cab", false);
  const std::string expected = greedy_text(server, "abc cab", 6);
  for (const Json& prompt : {Json("abc cab"), Json(ids)}) {
    const Json json = server.post("/v1/completions", completion({{"prompt", prompt}})).json();
    EXPECT_EQ(json["object"], "text_completion");
    EXPECT_EQ(json["choices"][0]["text"], expected);
  }
  const Json two = server.post("/v1/completions", completion({{"prompt", Json::array({"abc cab", "q"})}})).json();
  ASSERT_EQ(two["choices"].size(), 2u);
  EXPECT_EQ(two["choices"][0]["text"], expected);
  EXPECT_EQ(two["choices"][1]["index"], 1);
  EXPECT_EQ(two["choices"][1]["text"], greedy_text(server, "q", 6));
  EXPECT_EQ(two["usage"]["completion_tokens"], 12);
  const Json lists = server.post("/v1/completions", completion({{"prompt", Json::array({ids, {20}})}})).json();
  EXPECT_EQ(lists["choices"][1]["text"], greedy_text(server, std::string(server.tokenizer->token_text(20)), 6));
}

TEST(Completions, EchoGivesThePromptWithItsLogprobs) {
  TestServer server;
  const std::vector<int> prompt = server.tokenizer->encode("abc cab", false);
  const Json json = server.post("/v1/completions", completion({{"echo", true}, {"logprobs", 2}})).json();
  const Json& choice = json["choices"][0];
  EXPECT_TRUE(choice["text"].get<std::string>().starts_with("abc cab"));
  const Json& logprobs = choice["logprobs"];
  ASSERT_EQ(logprobs["tokens"].size(), prompt.size() + 6);
  EXPECT_EQ(logprobs["token_logprobs"][0], nullptr);
  EXPECT_EQ(logprobs["top_logprobs"][0], nullptr);
  EXPECT_TRUE(logprobs["token_logprobs"][1].is_number());
  EXPECT_GE(logprobs["top_logprobs"][1].size(), 2u);
  EXPECT_EQ(logprobs["text_offset"][0], 0);
  EXPECT_EQ(logprobs["text_offset"][1], server.tokenizer->token_text(prompt[0]).size());

  const Json only = server.post("/v1/completions", completion({{"echo", true}, {"max_tokens", 0}})).json();
  EXPECT_EQ(only["choices"][0]["text"], "abc cab");
  EXPECT_EQ(only["usage"]["completion_tokens"], 0);
}

TEST(Completions, PromptLogprobsAreGivenByTokenId) {
  TestServer server;
  const std::vector<int> prompt = server.tokenizer->encode("abc cab", false);
  const Json json = server.post("/v1/completions", completion({{"prompt_logprobs", 1}})).json();
  const Json& list = json["choices"][0]["prompt_logprobs"];
  ASSERT_EQ(list.size(), prompt.size());
  EXPECT_EQ(list[0], nullptr);
  ASSERT_TRUE(list[1].contains(std::to_string(prompt[1])));
  EXPECT_EQ(list[1][std::to_string(prompt[1])]["decoded_token"], server.tokenizer->token_text(prompt[1]));
}

TEST(Completions, StreamWithEchoAndLogprobsAddsUpToTheWhole) {
  TestServer server;
  const Json extra = {{"echo", true}, {"logprobs", 1}};
  const Json whole = server.post("/v1/completions", completion(extra)).json();
  Json streaming = completion(extra);
  streaming["stream"] = true;
  std::string text;
  Json tokens = Json::array(), offsets = Json::array();
  for (const std::string& event : server.post("/v1/completions", streaming).events()) {
    if (event == "[DONE]") continue;
    const Json choice = parse_json(event)["choices"][0];
    text += choice["text"].get<std::string>();
    for (const Json& token : choice["logprobs"]["tokens"]) tokens.push_back(token);
    for (const Json& offset : choice["logprobs"]["text_offset"]) offsets.push_back(offset);
  }
  EXPECT_EQ(text, whole["choices"][0]["text"]);
  EXPECT_EQ(tokens, whole["choices"][0]["logprobs"]["tokens"]);
  EXPECT_EQ(offsets, whole["choices"][0]["logprobs"]["text_offset"]);
}

TEST(Generation, RepeatedPromptIsServedFromTheCache) {
  TestServer server;
  const Json body = completion({{"prompt", "abcabcabcabcabcabcabcabcabcabc"}});
  EXPECT_EQ(server.post("/v1/completions", body).json()["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_GT(server.post("/v1/completions", body).json()["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_EQ(server.connect().request("POST", "/reset_prefix_cache").status, 200);
  EXPECT_EQ(server.post("/v1/completions", body).json()["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
}

TEST(Generation, SixtyFourStreamsAtOnceAllEndWell) {
  TestServer server;
  const std::string expected = greedy_text(server, "abc cab b", 6);
  std::vector<Client> clients;
  for (int i = 0; i < 64; ++i) {
    clients.push_back(server.connect());
    const std::string body = to_text(chat({{"stream", true}}));
    clients.back().write("POST /v1/chat/completions HTTP/1.1\r\nHost: t\r\nContent-Length: " +
                         std::to_string(body.size()) + "\r\n\r\n" + body);
  }
  for (Client& client : clients) {
    const Answer answer = client.read_answer();
    std::string text;
    for (const std::string& event : answer.events()) {
      if (event != "[DONE]") text += parse_json(event)["choices"][0]["delta"].value("content", "");
    }
    EXPECT_EQ(text, expected);
  }
  EXPECT_TRUE(server.becomes_idle());
}

}  // namespace
}  // namespace cairn::server::testing
