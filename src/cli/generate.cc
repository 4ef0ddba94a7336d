// cairn generate: answers to prompts, one or many, without a server.
#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "base/error.h"
#include "base/mapped_file.h"
#include "cli/batch_files.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace cairn {
namespace {

struct GenerateFlags {
  EngineFlags engine;
  SamplingFlags sampling;
  std::vector<std::string> prompts, files;
  std::string input_jsonl, output, system;
  bool chat = false, resume = false;
};

std::string read_stdin() { return {std::istreambuf_iterator<char>(std::cin), {}}; }

// A prompt is what the file says, not the newline that ends its last line.
std::string without_last_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

std::vector<std::string> gather_prompts(const GenerateFlags& flags) {
  std::vector<std::string> prompts = flags.prompts;
  for (const std::string& file : flags.files)
    prompts.push_back(without_last_newline(file == "-" ? read_stdin() : read_text_file(file)));
  if (prompts.empty()) prompts.push_back(without_last_newline(read_stdin()));
  return prompts;
}

std::vector<BatchLine> make_lines(const GenerateFlags& flags, const ModelText& model, const SamplingParams& params) {
  if (!flags.input_jsonl.empty())
    return read_batch(flags.input_jsonl == "-" ? read_stdin() : read_text_file(flags.input_jsonl), model, params);
  std::vector<BatchLine> lines;
  for (const std::string& prompt : gather_prompts(flags)) {
    BatchLine& line = lines.emplace_back();
    line.id = lines.size();
    line.job.params = params;
    if (!flags.chat) {
      line.job.prompt = model.tokenizer->encode(prompt, true);
      continue;
    }
    Json messages = Json::array();
    if (!flags.system.empty()) messages.push_back({{"role", "system"}, {"content", flags.system}});
    messages.push_back({{"role", "user"}, {"content", prompt}});
    line.job.prompt = model.tokenizer->encode(render_chat(model, messages), false);
  }
  return lines;
}

// Answers as text on stdout: one alone as it grows, several in order.
struct TextPrinter {
  bool streams;
  void piece(const RequestOutput& piece) const {
    if (streams && piece.index == 0) print(piece.text);
  }
  void answer(const BatchAnswer& answer) const {
    if (!streams)
      for (const BatchChoice& choice : answer.choices) print(choice.text + "\n");
    else
      print("\n");
  }
  static void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    if (std::fflush(stdout) != 0) fail(ErrorKind::resource_exhausted, "cannot write to standard output");
  }
};

int generate(const GenerateFlags& flags) {
  std::atomic<bool> stop{false};
  std::atomic<int> stopped_by{0};
  SignalWatcher watcher([&](int signal) {
    stopped_by = signal;
    return stop = true;
  });
  Log log = flags.engine.make_log();
  ModelText model = open_model_text(flags.engine);
  SamplingParams params = default_sampling(model.generation);
  flags.sampling.apply(params);
  SamplingParams(params).validate(static_cast<int>(model.checkpoint->config().vocab_size));  // before any work
  std::vector<BatchLine> lines = make_lines(flags, model, params);
  std::unique_ptr<LineFile> output;
  if (!flags.output.empty() || !flags.input_jsonl.empty()) {
    std::uint64_t keep = flags.resume ? skip_answered(lines, flags.output) : 0;
    output = std::make_unique<LineFile>(flags.output.empty() ? "-" : flags.output, keep);
  }
  if (lines.empty()) return 0;
  std::unique_ptr<Engine> engine = make_engine(flags.engine, model, log);

  std::vector<BatchJob> jobs;
  for (BatchLine& line : lines) jobs.push_back(std::move(line.job));
  TextPrinter printer{jobs.size() == 1 && jobs.front().params.n == 1};
  auto bar = std::make_unique<Progress>("generating", jobs.size() == 1 ? "prompt" : "prompts",
                                        static_cast<std::int64_t>(jobs.size()));
  std::size_t failed = 0;
  BatchEvents events;
  if (!output) events.on_piece = [&](std::size_t, const RequestOutput& piece) { printer.piece(piece); };
  events.on_answer = [&](std::size_t job, const BatchAnswer& answer) {
    failed += !answer.error.empty();
    if (output) return output->write(answer_json(lines[job].id, answer));
    if (!answer.error.empty()) return fmt::print(stderr, "cairn: prompt {}: {}\n", lines[job].id.dump(), answer.error);
    printer.answer(answer);
  };
  if (output && output->is_file())
    events.on_progress = [&](std::int64_t, std::size_t done) { bar->update(static_cast<std::int64_t>(done)); };
  std::size_t answered = run_batch(*engine, jobs, events, stop);
  bar.reset();
  const bool stopped = answered < jobs.size();
  if (stopped) fmt::print(stderr, "cairn: stopped after {} of {} prompts\n", answered, jobs.size());
  if (output && failed > 0)
    fmt::print(stderr, "cairn: {} of {} prompts failed; see their lines\n", failed, jobs.size());
  return stopped ? 128 + stopped_by : failed > 0 ? 1 : 0;
}

}  // namespace

void add_generate(CLI::App& app, Action& action) {
  auto flags = std::make_shared<GenerateFlags>();
  CLI::App* command =
      app.add_subcommand("generate", "Answer prompts from arguments, files, standard input or JSON lines");
  flags->engine.add_to(*command);
  command->add_option("PROMPTS", flags->prompts, "prompts; none: standard input is one");
  command->add_option("--file", flags->files, "a file that is a prompt (may be repeated; - is standard input)")
      ->allow_extra_args(false);
  CLI::Option* chat =
      command->add_flag("--chat", flags->chat, "put each prompt through the chat template, as a user's message");
  command->add_option("--system", flags->system, "the system message, with --chat")->needs(chat);
  command
      ->add_option("--input-jsonl", flags->input_jsonl,
                   "requests as JSON lines: prompt or messages, custom_id, sampling parameters")
      ->excludes("PROMPTS")
      ->excludes("--file")
      ->excludes(chat);
  CLI::Option* output =
      command->add_option("--output", flags->output, "write answers as JSON lines, in order; - is standard output");
  command
      ->add_flag("--resume", flags->resume,
                 "keep the answers that the output file has, whose custom_ids must be those of the first requests in "
                 "their order, and "
                 "do the rest")
      ->needs(output);
  flags->sampling.add_to(*command);
  command->callback([flags, &action] { action = [flags] { return generate(*flags); }; });
}

}  // namespace cairn
