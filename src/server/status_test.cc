// The routes beside generation, and the small parts of HTTP.
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "server/http_text.h"
#include "server/logprobs_format.h"
#include "server/metrics.h"
#include "server/test_server.h"

namespace cairn::server::testing {
namespace {

TEST(Models, AreListedByTheirServedNames) {
  TestServer::Options options = TestServer::make_options();
  options.config.served_model_names = {"first", "team/second name"};
  TestServer server(options);
  const Json list = server.get("/v1/models").json();
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 2u);
  const Json& model = list["data"][0];
  EXPECT_EQ(model["id"], "first");
  EXPECT_EQ(model["object"], "model");
  EXPECT_EQ(model["max_model_len"], 128);
  EXPECT_EQ(model["root"], "models/fake");
  EXPECT_EQ(server.get("/v1/models/team/second%20name").json()["id"], "team/second name");
  const Answer missing = server.get("/v1/models/third");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.json()["error"]["message"], "The model `third` does not exist.");
  const Answer wrong = server.post("/v1/completions", {{"model", "third"}, {"prompt", "a"}});
  EXPECT_EQ(wrong.status, 404);
  EXPECT_EQ(wrong.json()["error"]["type"], "NotFoundError");
  EXPECT_EQ(server.post("/v1/completions", {{"model", "team/second name"}, {"prompt", "a"}}).json()["model"],
            "team/second name");
}

TEST(Tokenize, TextMessagesAndBack) {
  TestServer server;
  const Json text = server.post("/tokenize", {{"prompt", "abc cab"}, {"return_token_strs", true}}).json();
  EXPECT_EQ(text["tokens"].get<std::vector<int>>(), server.tokenizer->encode("abc cab", true));
  EXPECT_EQ(text["count"], text["tokens"].size());
  EXPECT_EQ(text["max_model_len"], 128);
  EXPECT_EQ(text["token_strs"][0], "abc");
  const Json messages = Json::array({{{"role", "user"}, {"content", "abc"}}});
  EXPECT_EQ(server.post("/tokenize", {{"messages", messages}}).json()["tokens"].get<std::vector<int>>(),
            server.tokenizer->encode("abc b", false));
  EXPECT_EQ(server.post("/detokenize", {{"tokens", text["tokens"]}}).json()["prompt"], "abc cab");
  EXPECT_EQ(server.post("/detokenize", {{"tokens", Json::array({1000})}}).status, 400);
  EXPECT_EQ(server.post("/detokenize", Json::object()).status, 400);
  EXPECT_EQ(server.post("/tokenize", Json::object()).status, 400);
}

TEST(EngineErrors, AreTheClients) {
  TestServer server;
  const auto message = [&](const Json& extra) {
    Json body = {{"prompt", "abc"}};
    body.update(extra);
    const Answer answer = server.post("/v1/completions", body);
    EXPECT_EQ(answer.status, 400);
    return answer.json()["error"]["message"].get<std::string>();
  };
  EXPECT_EQ(message({{"temperature", 3}}), "temperature must be in [0, 2], got 3.0.");
  EXPECT_EQ(message({{"top_p", 0}}), "top_p must be in (0, 1], got 0.0.");
  EXPECT_NE(message({{"n", 2}, {"temperature", 0}}).find("greedy"), std::string::npos);
  EXPECT_NE(message({{"prompt", ""}}).find("empty"), std::string::npos);
  EXPECT_NE(message({{"prompt", std::string(200, 'q')}}).find("maximum context length is 128"), std::string::npos);
  EXPECT_NE(message({{"prompt", Json::array({48})}}).find("out of vocabulary"), std::string::npos);
  EXPECT_NE(server.connect().request("POST", "/v1/completions", "{]").body.find("not usable JSON"), std::string::npos);
  EXPECT_TRUE(server.becomes_idle());
}

double metric(const std::string& text, const std::string& series) {
  const std::size_t found = text.find("\n" + series + " ");
  if (found == std::string::npos) return -1;
  return std::stod(text.substr(found + series.size() + 2));
}

TEST(Metrics, CountWhatHappenedUnderVllmsNames) {
  TestServer server;
  server.post("/v1/completions", {{"prompt", "abc cab"}, {"max_tokens", 5}, {"ignore_eos", true}});
  ASSERT_TRUE(server.becomes_idle());
  const Answer answer = server.get("/metrics");
  EXPECT_NE(answer.head.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
  const std::string labels = R"({engine="0",model_name="fake"})";
  EXPECT_EQ(metric(answer.body, "vllm:num_requests_running" + labels), 0);
  EXPECT_EQ(metric(answer.body, "vllm:kv_cache_usage_perc" + labels), 0);
  EXPECT_EQ(metric(answer.body, "vllm:generation_tokens_total" + labels), 5);
  EXPECT_EQ(metric(answer.body, "vllm:time_to_first_token_seconds_count" + labels), 1);
  EXPECT_EQ(metric(answer.body, "vllm:inter_token_latency_seconds_count" + labels), 4);
  EXPECT_EQ(metric(answer.body, "vllm:e2e_request_latency_seconds_count" + labels), 1);
  EXPECT_NE(answer.body.find(R"(vllm:request_success_total{)"), std::string::npos);
  EXPECT_NE(answer.body.find(R"(finished_reason="length"} 1)"), std::string::npos);
  EXPECT_NE(answer.body.find("# TYPE vllm:generation_tokens_total counter"), std::string::npos);
}

TEST(Metrics, BucketsAreOneTwoFive) { EXPECT_EQ(one_two_five_buckets(60), (std::vector<double>{1, 2, 5, 10, 20, 50})); }

TEST(Live, TellsTheEnginesPulse) {
  TestServer server;
  Client client = server.connect();
  client.write("GET /live HTTP/1.1\r\nHost: t\r\n\r\n");
  client.read_until("data: ");
  const Json first = parse_json(client.read_until("\n\n"));
  EXPECT_EQ(first["kv_blocks_used"], 0);
  server.post("/v1/completions", {{"prompt", "abc cab"}, {"max_tokens", 5}, {"ignore_eos", true}});
  bool seen = false;
  for (int i = 0; i < 8 && !seen; ++i) {
    client.read_until("data: ");
    const Json pulse = parse_json(client.read_until("\n\n"));
    for (const Json& step : pulse["steps"]) seen = seen || (step["prefill"] > 0 && step["seqs"] == 1);
  }
  EXPECT_TRUE(seen) << "the step that computed the prompt must show";
}

TEST(Page, IsServedAtTheRoot) {
  TestServer server;
  const Answer page = server.get("/");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.head.find("Content-Type: text/html"), std::string::npos);
  EXPECT_NE(page.body.find("<html"), std::string::npos);
}

TEST(HttpText, PathsAreDecodedAndCutAtTheQuery) {
  EXPECT_EQ(target_path("/a%20b/c?x=%20"), "/a b/c");
  EXPECT_EQ(target_path("/%zz%4"), "/%zz%4");
  EXPECT_EQ(target_path(""), "");
}

TEST(HttpText, KeysMustMatchWholly) {
  const std::vector<std::string> keys = {"secret", ""};
  EXPECT_TRUE(has_key("Bearer secret", keys));
  EXPECT_TRUE(has_key("bearer secret", keys));
  for (const char* wrong :
       {"", "secret", "Bearer ", "Bearer secre", "Bearer secrets", "Bearer secretsecret", "Basic secret"}) {
    EXPECT_FALSE(has_key(wrong, keys)) << wrong;
  }
}

TEST(LogprobsFormat, PartsOfCharactersKeepTheirBytes) {
  const cairn::testing::FakeTokenizer tokenizer;
  const int part = *tokenizer.token_id("\xE4");
  PositionLogprobs position;
  position.chosen = {part, -0.5f, 2};
  position.top = {{*tokenizer.token_id("a"), -0.25f, 1}, {part, -0.5f, 2}};
  const Json chat = chat_logprob(tokenizer, position);
  EXPECT_EQ(chat["token"], "\xEF\xBF\xBD");
  EXPECT_EQ(chat["bytes"], Json::array({0xE4}));
  EXPECT_EQ(chat["top_logprobs"].size(), 2u);
  CompletionLogprobs completion(tokenizer);
  completion.add(position);
  const Json shown = completion.take();
  EXPECT_EQ(shown["tokens"][0], "bytes:\\xe4");
  EXPECT_EQ(shown["top_logprobs"][0].size(), 2u) << "the sampled token counts once";
}

TEST(LogprobsFormat, NoProbabilityIsAFiniteNumber) {
  const cairn::testing::FakeTokenizer tokenizer;
  PositionLogprobs position;
  position.chosen = {47, -std::numeric_limits<float>::infinity(), 48};
  const Json shown = chat_logprob(tokenizer, position);
  EXPECT_EQ(shown["logprob"], -9999.0);
  EXPECT_EQ(shown["token"], "") << "an id of the padded vocabulary has no text";
}

}  // namespace
}  // namespace cairn::server::testing
