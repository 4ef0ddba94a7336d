// cairn bench throughput: many requests through the engine, as fast as it takes them.
#include <fmt/format.h>

#include <atomic>
#include <chrono>

#include "base/error.h"
#include "cli/batch.h"
#include "cli/bench.h"
#include "cli/model_setup.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace cairn {
namespace {

struct ThroughputFlags {
  EngineFlags engine;
  std::int64_t input_len = 128, output_len = 64, num_prompts = 64;
  int num_iters = 1;
  std::string json;
};

std::vector<BatchJob> make_jobs(const ThroughputFlags& flags, int vocab_size, int round) {
  std::vector<BatchJob> jobs;
  for (std::int64_t i = 0; i < flags.num_prompts; ++i) {
    BatchJob& job = jobs.emplace_back();
    // Other prompts each round, so that the prefix cache has nothing of them.
    job.prompt = random_token_ids(flags.input_len, 0, vocab_size,
                                  static_cast<std::uint64_t>(round) << 32 | static_cast<std::uint64_t>(i));
    job.params.temperature = 0;
    job.params.max_tokens = static_cast<int>(flags.output_len);
    job.params.ignore_eos = true;
    job.params.detokenize = false;
  }
  return jobs;
}

int bench_throughput(const ThroughputFlags& flags) {
  std::atomic<bool> stop{false};
  SignalWatcher watcher([&](int) { return stop = true; });
  ModelText model = open_model_text(flags.engine);
  std::unique_ptr<Engine> engine = make_engine(flags.engine, model, flags.engine.make_log());
  int vocab_size = std::min(engine->runner().vocab_size(), model.tokenizer->vocab_size());
  std::vector<double> seconds;
  std::string error;
  BatchEvents events;
  events.on_answer = [&](std::size_t, const BatchAnswer& answer) {
    if (!answer.error.empty()) error = answer.error;
  };
  for (int round = 0; round <= flags.num_iters && !stop; ++round) {
    std::vector<BatchJob> jobs = make_jobs(flags, vocab_size, round);
    if (round == 0) jobs.resize(std::min<std::size_t>(jobs.size(), 2));  // warms up
    Progress bar("measuring", "requests", static_cast<std::int64_t>(jobs.size()));
    events.on_progress = [&](std::int64_t, std::size_t done) { bar.update(static_cast<std::int64_t>(done)); };
    auto start = std::chrono::steady_clock::now();
    run_batch(*engine, jobs, events, stop);
    if (round > 0) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (!error.empty()) fail(ErrorKind::internal, "a request failed: {}", error);
  }
  if (stop) fail(ErrorKind::cancelled, "stopped before the measurement was done");
  double median = percentile(seconds, 0.5);
  auto requests = static_cast<double>(flags.num_prompts);
  double output_tokens = requests * static_cast<double>(flags.output_len),
         input_tokens = requests * static_cast<double>(flags.input_len);
  nlohmann::ordered_json report = {{"model", flags.engine.model_path()},
                                   {"num_prompts", flags.num_prompts},
                                   {"input_len", flags.input_len},
                                   {"output_len", flags.output_len},
                                   {"max_num_seqs", engine->runner().max_num_seqs()},
                                   {"seconds", distribution(seconds)},
                                   {"requests_per_s", requests / median},
                                   {"output_tokens_per_s", output_tokens / median},
                                   {"total_tokens_per_s", (input_tokens + output_tokens) / median}};
  if (flags.json != "-")
    fmt::print(
        "{} requests of {} + {} tokens: {:.2f} s, {:.2f} requests/s, {:.1f} output tokens/s, {:.1f} tokens/s in all\n",
        flags.num_prompts, flags.input_len, flags.output_len, median, requests / median, output_tokens / median,
        (input_tokens + output_tokens) / median);
  if (!flags.json.empty()) write_report(flags.json, report);
  return 0;
}

}  // namespace

void add_bench_throughput(CLI::App& bench, Action& action) {
  auto flags = std::make_shared<ThroughputFlags>();
  CLI::App* command = bench.add_subcommand("throughput", "Time many requests through the engine, all at once");
  flags->engine.add_to(*command);
  add_count(*command, "--input-len", flags->input_len, "prompt tokens of each request");
  add_count(*command, "--output-len", flags->output_len, "answer tokens of each request");
  add_count(*command, "--num-prompts", flags->num_prompts, "requests");
  add_count(*command, "--num-iters", flags->num_iters, "measured rounds; figures are their median");
  add_json(*command, flags->json);
  command->callback([flags, &action] { action = [flags] { return bench_throughput(*flags); }; });
}

}  // namespace cairn
