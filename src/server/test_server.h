// For tests: a server over the engine's fake model, and a plain HTTP client that shows what came over the wire.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/fake_model.h"
#include "server/bounded_json.h"
#include "server/server.h"

namespace cairn::server::testing {

namespace asio = boost::asio;

struct Answer {
  int status = 0;
  std::string head, body;  // the body without its chunks' framing
  Json json() const { return parse_json(body); }
  /// The data of a stream's events.
  std::vector<std::string> events() const {
    std::vector<std::string> found;
    for (std::size_t at = 0; (at = body.find("data: ", at)) != std::string::npos;) {
      const std::size_t end = body.find("\n\n", at);
      found.push_back(body.substr(at + 6, end - at - 6));
      at = end;
    }
    return found;
  }
};

/// One connection. Reads block; the server's own time limits end a test that would hang.
class Client {
 public:
  explicit Client(int port) : socket_(*io_) {
    socket_.connect({asio::ip::make_address("127.0.0.1"), static_cast<unsigned short>(port)});
  }
  void write(const std::string& bytes) {
    boost::system::error_code ignored;
    asio::write(socket_, asio::buffer(bytes), ignored);
  }
  void close() { socket_.close(); }
  /// Bytes up to and including `end`, or all when the server closes first.
  std::string read_until(const std::string& end) {
    std::size_t found;
    while ((found = pending_.find(end)) == std::string::npos) {
      if (!fill()) return std::exchange(pending_, {});
    }
    std::string bytes = pending_.substr(0, found + end.size());
    pending_.erase(0, bytes.size());
    return bytes;
  }
  std::string read_bytes(std::size_t size) {
    while (pending_.size() < size && fill()) continue;
    std::string bytes = pending_.substr(0, size);
    pending_.erase(0, bytes.size());
    return bytes;
  }
  std::string read_all() {
    while (fill()) continue;
    return std::exchange(pending_, {});
  }
  Answer read_answer(bool is_head = false) {
    Answer answer;
    answer.head = read_until("\r\n\r\n");
    if (answer.head.size() > 12) answer.status = std::stoi(answer.head.substr(9, 3));
    if (is_head) return answer;
    if (answer.head.find("Transfer-Encoding: chunked") != std::string::npos) {
      for (;;) {
        const std::string line = read_until("\r\n");
        if (line.empty()) return answer;  // cut off
        const std::size_t size = std::stoul(line, nullptr, 16);
        answer.body += read_bytes(size);
        read_until("\r\n");
        if (size == 0) return answer;
      }
    }
    const std::size_t length = answer.head.find("Content-Length: ");
    answer.body = length == std::string::npos ? read_all() : read_bytes(std::stoul(answer.head.substr(length + 16)));
    return answer;
  }
  Answer request(const std::string& method, const std::string& path, const std::string& body = "",
                 const std::string& headers = "") {
    write(method + " " + path + " HTTP/1.1\r\nHost: test\r\n" + headers +
          (body.empty() && method != "POST" ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" +
          body);
    return read_answer(method == "HEAD");
  }
  Answer post(const std::string& path, const Json& body) { return request("POST", path, to_text(body)); }

 private:
  bool fill() {
    char bytes[4096];
    boost::system::error_code error;
    const std::size_t size = socket_.read_some(asio::buffer(bytes), error);
    pending_.append(bytes, size);
    return !error;
  }

  std::unique_ptr<asio::io_context> io_ = std::make_unique<asio::io_context>();
  asio::ip::tcp::socket socket_;
  std::string pending_;
};

constexpr const char* kTemplate =
    "{% for m in messages %}{{ m.content }} {% endfor %}{% if add_generation_prompt %}b{% endif %}";

/// The fake tokenizer's pieces after "<end>" are letters and spaces, so that prompts are words.
class TestServer {
 public:
  struct Options {
    ServerConfig config;
    EngineConfig engine;
    cairn::testing::FakeLimits limits{48, 128, 4, 257, 64, 8};
    double step_seconds = 0;  // how long the model takes a step
    bool ready = true;
    bool with_template = true;
  };
  explicit TestServer(Options options = make_options()) {
    options.config.port = 0;
    server = std::make_unique<Server>(options.config, null_log());
    auto runner = std::make_unique<cairn::testing::FakeRunner>(options.limits);
    runner->before_step = [seconds = options.step_seconds](const StepBatch&) {
      if (seconds > 0) std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    };
    tokenizer = std::make_shared<cairn::testing::FakeTokenizer>();
    engine = std::make_unique<Engine>(options.engine, std::move(runner), tokenizer, null_log());
    if (options.with_template) chat_template = std::make_shared<ChatTemplate>(kTemplate);
    thread_ = std::thread([this] { server->run(); });
    if (options.ready) set_ready();
  }
  ~TestServer() { stop(5); }
  static Options make_options() {
    Options options;
    options.config.served_model_names = {"fake"};
    return options;
  }
  void set_ready() {
    ServingContext context;
    context.engine = engine.get();
    context.tokenizer = tokenizer;
    context.chat_template = chat_template;
    context.model_path = "models/fake";
    server->set_ready(std::move(context));
  }
  void stop(double drain_seconds) {
    if (!thread_.joinable()) return;
    server->stop(drain_seconds);
    thread_.join();
  }
  int port() const { return server->port(); }
  Client connect() const { return Client(port()); }
  Answer post(const std::string& path, const Json& body) const { return connect().post(path, body); }
  Answer get(const std::string& path) const { return connect().request("GET", path); }
  /// Waits until no request is live and no KV block is in use.
  bool becomes_idle(double seconds = 5) const {
    return becomes([](const EngineStats& s) { return s.running == 0 && s.waiting == 0 && s.kv_blocks_used == 0; },
                   seconds);
  }
  bool becomes(const std::function<bool(const EngineStats&)>& condition, double seconds = 5) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
    while (!condition(engine->stats())) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }

  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;
  std::unique_ptr<Engine> engine;  // outlives the server
  std::unique_ptr<Server> server;

 private:
  std::thread thread_;
};

}  // namespace cairn::server::testing
