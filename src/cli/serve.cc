// cairn serve: the OpenAI-compatible server and its page.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <thread>

#include "cli/commands.h"
#include "cli/model_setup.h"
#include "cli/signals.h"
#include "server/server.h"

namespace cairn {
namespace {

struct ServeFlags {
  EngineFlags engine;
  ServerConfig server;
  double drain_seconds = 30;
};

void announce(const Server& server, const ServerConfig& config, const std::string& model) {
  std::string host = config.host == "0.0.0.0" || config.host == "::" ? "127.0.0.1" : config.host;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  std::string url = fmt::format("http://{}:{}", host, server.port());
  std::string key = config.api_keys.empty() ? "" : " -H 'Authorization: Bearer KEY'";
  fmt::print("\nCairn is ready: {}\n\n", url);
  fmt::print(
      "  curl {}/v1/chat/completions{} -H 'Content-Type: application/json' -d '{{\"model\": \"{}\", \"messages\": "
      "[{{\"role\": \"user\", \"content\": \"What is the capital of France?\"}}]}}'\n\n",
      url, key, model);
  std::fflush(stdout);
}

int serve(ServeFlags flags) {
  std::unique_ptr<Engine> engine;  // outlives the server
  std::unique_ptr<Server> server;
  std::atomic<bool> stopping{false}, loaded{false};
  std::atomic<Server*> listening{nullptr};
  Log log = flags.engine.make_log();
  std::jthread stop;  // the watcher's: neither draining nor writing the log may keep a second signal waiting
  SignalWatcher watcher([&](int signal) {
    if (!listening) std::_Exit(128 + signal);  // there is nothing to drain
    stopping = true;
    stop = std::jthread([&] {
      log->info("stopping: running requests may end, at most {:.0f} s; a second signal ends them at once",
                flags.drain_seconds);
      listening.load()->stop(flags.drain_seconds);
    });
    return true;
  });
  if (flags.server.served_model_names.empty())
    flags.server.served_model_names = {std::filesystem::path(flags.engine.model_path()).filename().string()};
  server = std::make_unique<Server>(flags.server, log);
  listening = server.get();
  std::exception_ptr failure;
  std::jthread loader([&] {
    try {
      ModelText text = open_model_text(flags.engine);
      engine = make_engine(flags.engine, text, log);
      loaded = true;
      if (stopping) return;
      server->set_ready({engine.get(), text.tokenizer, text.chat_template, text.generation, text.checkpoint->path(),
                         text.bos_token, text.eos_token});
      announce(*server, flags.server, flags.server.served_model_names.front());
    } catch (...) {
      failure = std::current_exception();
      loaded = true;
      server->stop(0);
    }
  });
  server->run();
  if (!loaded) std::_Exit(0);  // stopped while loading, which cannot be cut short otherwise
  loader.join();
  if (failure) std::rethrow_exception(failure);
  return 0;
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ServeFlags>();
  flags->engine.log_level = "info";
  CLI::App* command = app.add_subcommand("serve", "Serve a model by OpenAI's API, with a web page at /");
  flags->engine.add_to(*command);
  ServerConfig& server = flags->server;
  command->add_option("--host", server.host, "address to listen on")->capture_default_str();
  command->add_option("--port", server.port, "port to listen on; 0: any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("--api-key", server.api_keys, "key that clients must present (may be repeated)")
      ->envname("CAIRN_API_KEY")
      ->allow_extra_args(false);
  command
      ->add_option("--served-model-name", server.served_model_names,
                   "the model's name in the API (may be repeated; the first is the one answers carry)")
      ->allow_extra_args(false);
  command
      ->add_option("--allowed-origins", server.allowed_origins, "origins of web pages that may call (may be repeated)")
      ->allow_extra_args(false)
      ->capture_default_str();
  command->add_option("--max-connections", server.max_connections, "most open connections")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("--trust-request-chat-template", server.trust_request_chat_template,
                    "let requests bring a chat template");
  command
      ->add_option("--shutdown-timeout", flags->drain_seconds,
                   "seconds that running requests may take to end after SIGTERM or Ctrl-C; a second one ends at once")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([flags, &action] { action = [flags] { return serve(*flags); }; });
}

}  // namespace cairn
