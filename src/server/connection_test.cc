// HTTP itself over real sockets: framing, limits, refusals, clients that go away, and stopping.
#include <gtest/gtest.h>

#include <future>
#include <string>

#include "base/error.h"
#include "server/test_server.h"

namespace cairn::server::testing {
namespace {

Json long_chat(bool stream) {
  return {{"messages", Json::array({{{"role", "user"}, {"content", "abc"}}})},
          {"max_tokens", 120},
          {"ignore_eos", true},
          {"stream", stream}};
}
std::string post_text(const std::string& path, const std::string& body, const std::string& headers = "") {
  return "POST " + path + " HTTP/1.1\r\nHost: t\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}
TestServer::Options slow_options() {
  TestServer::Options options = TestServer::make_options();
  options.step_seconds = 0.02;
  return options;
}

TEST(Connection, KeptAliveAndPipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  Client client = server.connect();
  const std::string body = R"({"prompt": "abc", "max_tokens": 2})";
  client.write(post_text("/v1/completions", body) + "GET /version HTTP/1.1\r\nHost: t\r\n\r\n" +
               post_text("/tokenize", R"({"prompt": "abc"})"));
  EXPECT_EQ(client.read_answer().json()["object"], "text_completion");
  EXPECT_TRUE(client.read_answer().json().contains("version"));
  EXPECT_EQ(client.read_answer().json()["count"], 1);
  EXPECT_EQ(client.request("GET", "/health").status, 200);
}

TEST(Connection, ChunkedBodiesAndExpectContinueAreUnderstood) {
  TestServer server;
  Client client = server.connect();
  client.write(
      "POST /tokenize HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
      "6\r\n{\"prom\r\nd\r\npt\": \"abc a\"}\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_answer().json()["count"], 2);
  client.write("POST /tokenize HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 17\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.write(R"({"prompt": "abc"})");
  EXPECT_EQ(client.read_answer().json()["count"], 1);
}

TEST(Connection, OldProtocolGetsAnUnchunkedStreamAndTheEnd) {
  TestServer server;
  Client client = server.connect();
  const std::string body = to_text(long_chat(true));
  client.write("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
               body);
  const std::string all = client.read_all();
  EXPECT_EQ(all.find("Transfer-Encoding"), std::string::npos);
  EXPECT_NE(all.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(all.ends_with("data: [DONE]\n\n"));
}

TEST(Connection, AbsoluteTargetsMeanTheirPaths) {
  TestServer server;
  EXPECT_EQ(server.get("http://any.example:80/health?x=/y").status, 200);
  EXPECT_EQ(server.get("HTTP://any.example/version").status, 200);
  EXPECT_EQ(server.get("http://any.example").status, 200) << "the page";
  EXPECT_EQ(server.get("http://any.example/nowhere").status, 404);
}

TEST(Connection, LargeBodiesAreWorkedOnAsideAndAnsweredAlike) {
  TestServer server;
  std::string words;
  while (words.size() < 4'000'000) words += "abc cab ";
  Client large = server.connect(), second = server.connect();
  const std::string body = to_text({{"prompt", words}});
  large.write(post_text("/tokenize", body) + post_text("/v1/completions", body));
  second.write(post_text("/tokenize", "{" + std::string(100'000, ' ')));
  EXPECT_EQ(server.get("/health").status, 200);
  EXPECT_GT(large.read_answer().json()["count"], 100'000);
  EXPECT_EQ(large.read_answer().status, 400) << "longer than the model takes";
  EXPECT_EQ(second.read_answer().status, 400);
}

TEST(Connection, HeadHasAHeaderAlone) {
  TestServer server;
  Client client = server.connect();
  const Answer head = client.request("HEAD", "/version");
  EXPECT_EQ(head.status, 200);
  EXPECT_NE(head.head.find("Content-Length: "), std::string::npos);
  EXPECT_EQ(client.request("GET", "/version").status, 200) << "no body may stand between";
}

TEST(Connection, UnknownPathsAndWrongMethodsAreErrorsInTheApisForm) {
  TestServer server;
  const Answer missing = server.get("/v2/nothing");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.json()["error"]["type"], "NotFoundError");
  const Answer wrong = server.get("/v1/completions");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.json()["error"]["code"], 405);
}

TEST(Connection, MalformedAndOversizedRequestsAreRefused) {
  TestServer::Options options = TestServer::make_options();
  options.config.max_body_bytes = 1000;
  TestServer server(options);
  Client garbage = server.connect();
  garbage.write("hello there\r\n\r\n");
  EXPECT_EQ(garbage.read_answer().status, 400);
  EXPECT_EQ(server.connect().request("POST", "/tokenize", std::string(5000, 'a')).status, 413);
  Client chunked = server.connect();
  chunked.write("POST /tokenize HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" +
                std::string(4096, 'a') + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.read_answer().status, 413);
  Client header = server.connect();
  header.write("GET / HTTP/1.1\r\nX-Long: " + std::string(100'000, 'a') + "\r\n\r\n");
  EXPECT_EQ(header.read_answer().status, 431);
}

TEST(Connection, KeysAreAskedForUnderV1Only) {
  TestServer::Options options = TestServer::make_options();
  options.config.api_keys = {"first-key", "second-key"};
  TestServer server(options);
  EXPECT_EQ(server.get("/health").status, 200);
  const Answer refused = server.get("/v1/models");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.json(), (Json{{"error", "Unauthorized"}}));
  EXPECT_EQ(server.connect().request("GET", "/v1/models", "", "Authorization: Bearer second-kez\r\n").status, 401);
  EXPECT_EQ(server.connect().request("GET", "/v1/models", "", "Authorization: Bearer second-key\r\n").status, 200);
  EXPECT_EQ(server.post("/v1/completions", {{"prompt", "abc"}}).status, 401);
}

TEST(Connection, CorsAllowsListedOriginsAndPreflights) {
  TestServer::Options options = TestServer::make_options();
  options.config.allowed_origins = {"http://a.example"};
  TestServer server(options);
  const Answer listed = server.connect().request("GET", "/version", "", "Origin: http://a.example\r\n");
  EXPECT_NE(listed.head.find("Access-Control-Allow-Origin: http://a.example\r\n"), std::string::npos);
  const Answer other = server.connect().request("GET", "/version", "", "Origin: http://b.example\r\n");
  EXPECT_EQ(other.head.find("Access-Control-Allow-Origin"), std::string::npos);
  const Answer preflight = server.connect().request(
      "OPTIONS", "/v1/chat/completions", "",
      "Origin: http://a.example\r\nAccess-Control-Request-Headers: authorization, content-type\r\n");
  EXPECT_EQ(preflight.status, 200);
  EXPECT_NE(preflight.head.find("Access-Control-Allow-Headers: authorization, content-type\r\n"), std::string::npos);
}

TEST(Connection, TooManyConnectionsAreToldSo) {
  TestServer::Options options = TestServer::make_options();
  options.config.max_connections = 2;
  TestServer server(options);
  Client first = server.connect(), second = server.connect();
  EXPECT_EQ(first.request("GET", "/health").status, 200);
  EXPECT_EQ(second.request("GET", "/health").status, 200);
  EXPECT_EQ(server.get("/health").status, 503);
}

TEST(Connection, SilentClientsAreCut) {
  TestServer::Options options = TestServer::make_options();
  options.config.stall_seconds = options.config.idle_seconds = 0.2;
  TestServer server(options);
  Client idle = server.connect();
  EXPECT_EQ(idle.read_all(), "");
  Client halfway = server.connect();
  halfway.write("POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{");
  EXPECT_EQ(halfway.read_all(), "");
}

TEST(Disconnect, FreesTheBlocksOfStreamsAndOfWaitingAnswers) {
  TestServer server(slow_options());
  for (const bool stream : {true, false}) {
    Client client = server.connect();
    client.write(post_text("/v1/chat/completions", to_text(long_chat(stream))));
    if (stream) client.read_until("data: ");
    ASSERT_TRUE(server.becomes([](const EngineStats& stats) { return stats.kv_blocks_used > 0; }));
    client.close();
    EXPECT_TRUE(server.becomes_idle(1.0)) << "stream: " << stream;
  }
}

TEST(Disconnect, AlsoEndsWhatIsStillQueued) {
  TestServer::Options options = slow_options();
  options.limits.max_num_seqs = 1;
  TestServer server(options);
  Client running = server.connect();
  running.write(post_text("/v1/chat/completions", to_text(long_chat(true))));
  running.read_until("data: ");
  Client queued = server.connect();
  queued.write(post_text("/v1/chat/completions", to_text(long_chat(false))));
  ASSERT_TRUE(server.becomes([](const EngineStats& stats) { return stats.waiting == 1; }));
  queued.close();
  EXPECT_TRUE(server.becomes([](const EngineStats& stats) { return stats.waiting == 0; }, 1.0));
  EXPECT_EQ(server.engine->stats().running, 1) << "the other one goes on";
}

TEST(Disconnect, ThousandClientsComeAndGo) {
  TestServer server;
  for (int i = 0; i < 1000; ++i) {
    Client client = server.connect();
    client.write(post_text("/v1/chat/completions", to_text(long_chat(i % 2 == 0))));
    client.close();
  }
  EXPECT_TRUE(server.becomes_idle(20));
  EXPECT_EQ(server.get("/health").status, 200);
}

TEST(Disconnect, JustAtTheAnswersEndIsSeenToo) {
  TestServer::Options options = TestServer::make_options();
  options.config.max_connections = 8;
  TestServer server(options);
  Json body = long_chat(false);
  body["max_tokens"] = 1;
  const std::string request = post_text("/v1/chat/completions", to_text(body));
  for (int i = 0; i < 2000; ++i) {
    Client client = server.connect();
    client.write(request);
    std::this_thread::sleep_for(std::chrono::microseconds(i % 400));  // about as long as an answer takes
    client.close();
  }
  ASSERT_TRUE(server.becomes_idle());
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  std::vector<Client> clients;
  for (int i = 0; i < options.config.max_connections; ++i) {
    clients.push_back(server.connect());
    EXPECT_EQ(clients.back().request("GET", "/health").status, 200) << "ended connections still count";
  }
}

TEST(Disconnect, ReaderThatTakesNothingIsCutAndItsWorkEnds) {
  TestServer::Options options = TestServer::make_options();
  options.config.stall_seconds = 0.3;
  options.limits = {48, 40'000, 16, 2600, 64, 8};
  TestServer server(options);
  Client client = server.connect();
  Json body = long_chat(true);
  body["max_tokens"] = 30'000;
  body["logprobs"] = true;
  body["top_logprobs"] = 20;
  client.write(post_text("/v1/chat/completions", to_text(body)));
  ASSERT_TRUE(server.becomes([](const EngineStats& stats) { return stats.running == 1; }));
  EXPECT_TRUE(server.becomes_idle(60));
  EXPECT_LT(server.engine->stats().generation_tokens, 30'000);
}

TEST(Queue, FullOneAnswers429) {
  TestServer::Options options = slow_options();
  options.limits.max_num_seqs = 1;
  options.engine.max_waiting = 1;
  TestServer server(options);
  Client running = server.connect(), waiting = server.connect();
  running.write(post_text("/v1/chat/completions", to_text(long_chat(true))));
  running.read_until("data: ");
  waiting.write(post_text("/v1/chat/completions", to_text(long_chat(true))));
  ASSERT_TRUE(server.becomes([](const EngineStats& stats) { return stats.waiting == 1; }));
  const Answer full = server.post("/v1/chat/completions", long_chat(false));
  EXPECT_EQ(full.status, 429);
  EXPECT_NE(full.head.find("Retry-After: "), std::string::npos);
  EXPECT_EQ(full.json()["error"]["type"], "RateLimitError");
}

TEST(Lifecycle, BeforeTheModelIsThereTheServerSaysSo) {
  TestServer::Options options = TestServer::make_options();
  options.ready = false;
  TestServer server(options);
  EXPECT_EQ(server.get("/health").status, 503);
  EXPECT_EQ(server.get("/v1/models").status, 503);
  EXPECT_EQ(server.get("/version").status, 200);
  EXPECT_EQ(server.post("/v1/chat/completions", long_chat(false)).status, 503);
  server.set_ready();
  EXPECT_EQ(server.get("/health").status, 200);
}

TEST(Lifecycle, StoppingLetsRunningAnswersEndAndRefusesNewOnes) {
  TestServer server(slow_options());
  Client running = server.connect(), late = server.connect();
  EXPECT_EQ(late.request("GET", "/health").status, 200);
  running.write(post_text("/v1/chat/completions", to_text(long_chat(true))));
  running.read_until("data: ");
  std::future<void> stopped = std::async(std::launch::async, [&] { server.stop(20); });
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(late.post("/v1/chat/completions", long_chat(false)).status, 503);
  EXPECT_NE(running.read_all().find("data: [DONE]"), std::string::npos);
  stopped.get();
}

TEST(Lifecycle, DrainingEndsAtItsTimeLimit) {
  TestServer::Options options = slow_options();
  options.step_seconds = 0.1;
  TestServer server(options);
  Client running = server.connect();
  running.write(post_text("/v1/chat/completions", to_text(long_chat(true))));
  running.read_until("data: ");
  const auto begin = std::chrono::steady_clock::now();
  server.stop(0.3);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  EXPECT_NE(running.read_all().find("\"finish_reason\":\"abort\""), std::string::npos);
}

TEST(Lifecycle, StoppingInTheMidstOfLargeBodiesEnds) {
  TestServer server;
  std::vector<Client> clients;
  const std::string body = to_text({{"prompt", std::string(3'000'000, 'a')}});
  for (int i = 0; i < 6; ++i) {
    clients.push_back(server.connect());
    clients.back().write(post_text(i % 2 == 0 ? "/tokenize" : "/v1/completions", body));
  }
  server.stop(0);
}

TEST(Lifecycle, TakenPortIsAClearError) {
  TestServer server;
  ServerConfig config;
  config.port = server.port();
  try {
    Server second(config, null_log());
    FAIL() << "two servers on one port";
  } catch (const cairn::Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::resource_exhausted);
    EXPECT_NE(std::string(error.what()).find("already in use"), std::string::npos);
  }
}

TEST(Lifecycle, StoppedBeforeItRunsItEndsAtOnce) {
  ServerConfig config;
  config.port = 0;
  Server server(config, null_log());
  server.stop(0);
  server.run();
}

}  // namespace
}  // namespace cairn::server::testing
