// cairn chat: a conversation in the terminal.
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/line_reader.h"
#include "cli/model_setup.h"
#include "cli/sampling_options.h"
#include "cli/signals.h"

namespace cairn {
namespace {

constexpr std::string_view kHelp =
    "  /system [TEXT]  set (or with no text drop) the system message; starts afresh\n"
    "  /clear          forget the conversation\n"
    "  /set NAME VALUE set a sampling parameter, e.g. /set temperature 0.2\n"
    "  /quit           end (so does Ctrl-D); Ctrl-C stops an answer\n";

struct ChatFlags {
  EngineFlags engine;
  SamplingFlags sampling;
  std::string system;
};

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

class Conversation {
 public:
  Conversation(Engine& engine, const ModelText& model, SamplingParams params, std::string system)
      : engine_(engine),
        model_(model),
        params_(std::move(params)),
        system_(std::move(system)),
        dim_(isatty(STDOUT_FILENO) != 0) {
    clear();
  }

  /// False when the line asks to end.
  bool take(const std::string& line, const std::atomic<int>& interrupts) {
    if (line.empty()) return true;
    try {
      if (line.starts_with('/')) return command(line);
      answer(line, interrupts);
    } catch (const Error& error) {
      fmt::print("cairn: {}\n", error.what());
    }
    return true;
  }

 private:
  struct Inbox {
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<RequestOutput> pieces;
  };

  void clear() {
    messages_ = Json::array();
    if (!system_.empty()) messages_.push_back({{"role", "system"}, {"content", system_}});
  }

  bool command(const std::string& line) {
    std::size_t space = std::min(line.find(' '), line.size());
    std::string name = line.substr(0, space), rest = line.substr(std::min(space + 1, line.size()));
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/system") {
      system_ = rest;
      clear();
    } else if (name == "/clear") {
      clear();
    } else if (name == "/set") {
      set(rest);
    } else {
      if (name != "/help") fmt::print("'{}' is not a command\n", name);
      print(kHelp);
    }
    return true;
  }

  void set(const std::string& words) {
    std::size_t space = words.find(' ');
    if (space == std::string::npos) fail_invalid("/set takes a name and a value");
    Json value = Json::parse(words.substr(space + 1), nullptr, false);
    if (value.is_discarded()) value = words.substr(space + 1);
    SamplingParams changed = params_;
    if (!set_sampling_field(changed, words.substr(0, space), value))
      fail_invalid("'{}' is not a sampling parameter", words.substr(0, space));
    SamplingParams checked = changed;
    checked.validate(engine_.runner().vocab_size());
    params_ = changed;
  }

  void answer(const std::string& line, const std::atomic<int>& interrupts) {
    messages_.push_back({{"role", "user"}, {"content", line}});
    const int interrupts_before = interrupts;
    Request request;
    request.id = fmt::format("chat-{}", ++turns_);
    request.params = params_;
    request.params.n = 1;
    auto inbox = std::make_shared<Inbox>();
    std::string text, problem;
    auto start = std::chrono::steady_clock::now(), first = start;
    int tokens = 0;
    bool cancelled = false;
    try {
      request.prompt_token_ids = model_.tokenizer->encode(render_chat(model_, messages_), false);
      engine_.submit(request, [inbox](RequestOutput&& piece) {
        std::lock_guard lock(inbox->mutex);
        inbox->pieces.push_back(std::move(piece));
        inbox->arrived.notify_one();
      });
    } catch (...) {
      messages_.erase(messages_.end() - 1);
      throw;
    }
    for (bool last = false; !last;) {
      std::vector<RequestOutput> pieces;
      {
        std::unique_lock lock(inbox->mutex);
        inbox->arrived.wait_for(lock, std::chrono::milliseconds(50), [&] { return !inbox->pieces.empty(); });
        pieces.swap(inbox->pieces);
      }
      if (interrupts != interrupts_before && !cancelled) {
        cancelled = true;
        engine_.cancel(request.id);
      }
      for (RequestOutput& piece : pieces) {
        if (tokens == 0 && !piece.token_ids.empty()) first = std::chrono::steady_clock::now();
        tokens += static_cast<int>(piece.token_ids.size());
        if (!cancelled) print(piece.text);
        text += piece.text;
        if (!piece.error.empty()) problem = piece.error;
        last |= piece.last;
      }
    }
    messages_.push_back({{"role", "assistant"}, {"content", text}});
    print("\n");
    if (!problem.empty()) fmt::print("cairn: {}\n", problem);
    report(tokens, cancelled, std::chrono::duration<double>(first - start).count(),
           std::chrono::duration<double>(std::chrono::steady_clock::now() - first).count());
  }

  void report(int tokens, bool cancelled, double first_seconds, double rest_seconds) const {
    std::string rate =
        tokens > 1 && rest_seconds > 0 ? fmt::format(", {:.1f} tokens/s", (tokens - 1) / rest_seconds) : "";
    print(fmt::format("{}{} tokens{}, first after {:.0f} ms{}{}\n", dim_ ? "\x1b[2m" : "", tokens, rate,
                      first_seconds * 1e3, cancelled ? ", stopped" : "", dim_ ? "\x1b[0m" : ""));
  }

  Engine& engine_;
  const ModelText& model_;
  SamplingParams params_;
  std::string system_;
  bool dim_;
  int turns_ = 0;
  Json messages_;
};

int chat(const ChatFlags& flags) {
  std::atomic<int> interrupts{0};
  std::atomic<bool> loaded{false};
  LineReader reader("> ");
  SignalWatcher watcher([&](int signal) {
    if (signal == SIGTERM || !loaded) std::_Exit(128 + signal);  // nothing is lost by it
    ++interrupts;
    reader.interrupt();
    return false;
  });
  ModelText model = open_model_text(flags.engine);
  if (!model.chat_template) render_chat(model, Json::array());  // says what is missing, before the weights are packed
  SamplingParams params = default_sampling(model.generation);
  flags.sampling.apply(params);
  std::unique_ptr<Engine> engine = make_engine(flags.engine, model, flags.engine.make_log());
  Conversation conversation(*engine, model, params, flags.system);
  loaded = true;
  if (reader.interactive()) fmt::print("Chat with {}; /help lists the commands.\n", model.checkpoint->path());
  for (bool at_prompt = false;;) {
    LineReader::Line line = reader.read();
    if (line.kind == LineReader::Kind::end) break;
    if (line.kind == LineReader::Kind::interrupted) {
      if (at_prompt) break;  // the second one in a row
      at_prompt = true;
      print("\n(Ctrl-C again or Ctrl-D ends)\n");
      continue;
    }
    at_prompt = false;
    if (!conversation.take(line.text, interrupts)) break;
    reader.clear_interrupt();
  }
  return 0;
}

}  // namespace

void add_chat(CLI::App& app, Action& action) {
  auto flags = std::make_shared<ChatFlags>();
  CLI::App* command = app.add_subcommand("chat", "Talk to a model in the terminal");
  flags->engine.runner.max_num_seqs = 1;
  flags->engine.add_to(*command);
  command->add_option("--system", flags->system, "the system message");
  flags->sampling.add_to(*command);
  command->callback([flags, &action] { action = [flags] { return chat(*flags); }; });
}

}  // namespace cairn
