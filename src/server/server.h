// The HTTP server: OpenAI's API as vLLM serves it, metrics, and the web page.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "engine/engine.h"
#include "model/chat_template/chat_template.h"
#include "model/checkpoint/checkpoint.h"
#include "model/tokenizer/tokenizer.h"

namespace cairn {

/// Named as vLLM's flags where those exist.
struct ServerConfig {
  std::string host = "127.0.0.1";               // a numeric address, or a name to be resolved
  int port = 8000;                              // 0: any free port, told by Server::port()
  std::vector<std::string> api_keys;            // when set, routes under /v1 (and those that run the model) need one
  std::vector<std::string> served_model_names;  // the first is the one that answers carry; empty: the model's path
  std::vector<std::string> allowed_origins = {"*"};
  std::size_t max_body_bytes = 32 << 20;
  int max_connections = 1024;
  double stall_seconds = 30;  // a client that takes (or sends) nothing for so long in the midst of a message is cut
  double idle_seconds = 75;   // how long a connection may wait between requests
  bool trust_request_chat_template = false;
};

/// What answers requests once the model is loaded.
struct ServingContext {
  Engine* engine = nullptr;  // outlives the server
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const ChatTemplate> chat_template;  // null: chat completions are refused
  GenerationConfig generation;                        // defaults of sampling parameters
  std::string model_path;
  std::string bos_token, eos_token;  // as the template sees them
};

class Server {
 public:
  /// Binds and listens at once. Throws invalid_argument for an address that cannot be used and resource_exhausted for a
  /// port that is taken.
  Server(ServerConfig config, Log log);
  /// Must not run while run() does.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  /// Until it is called /health and all that needs the model answer 503. Thread-safe; to be called once, before the
  /// engine's first request.
  void set_ready(ServingContext context);
  /// Serves until stop(); blocks.
  void run();
  /// Refuses new requests with 503, lets the running ones end for at most `drain_seconds`, then ends run().
  /// Thread-safe; returns when run() is about to. A second call, from another thread, cuts the first one's waiting
  /// short.
  void stop(double drain_seconds);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
