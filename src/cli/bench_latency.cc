// cairn bench latency: a fixed batch through the model alone; prefill and decode timed apart.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include "base/error.h"
#include "cli/bench.h"
#include "cli/model_setup.h"
#include "cli/progress.h"
#include "cli/stepped_batch.h"

namespace cairn {
namespace {

struct LatencyFlags {
  EngineFlags engine;
  std::int64_t input_len = 128, output_len = 64, batch_size = 1;
  int num_iters = 5, num_iters_warmup = 1;
  std::string json;
  bool profile = false;
};

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Sums of profiled runs by operator.
struct ProfileEntry {
  double microseconds = 0, kernel_microseconds = 0;
  int calls = 0;
};
struct Profile {
  std::map<std::string, ProfileEntry> entries;
  int runs = 0;
};

void add_profile(Profile& profile, const Plan& plan) {
  for (const StepTime& step : plan.last_profile()) {
    ProfileEntry& entry = profile.entries[std::string(step.op)];
    entry.microseconds += step.microseconds;
    entry.kernel_microseconds += step.kernel_microseconds;
    ++entry.calls;
  }
  ++profile.runs;
}

// Times of one run: means over those profiled.
void print_profile(std::FILE* out, const char* title, const Profile& profile) {
  ProfileEntry total;
  std::vector<std::pair<ProfileEntry, std::string>> order;
  for (const auto& [op, entry] : profile.entries) {
    total.microseconds += entry.microseconds;
    total.kernel_microseconds += entry.kernel_microseconds;
    order.emplace_back(entry, op);
  }
  std::sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.first.microseconds > b.first.microseconds; });
  const double to_ms = 1e-3 / profile.runs;
  fmt::print(out, "\n{} by operator: {:.3f} ms, {:.1f} % of it inside kernels\n", title, total.microseconds * to_ms,
             100 * total.kernel_microseconds / total.microseconds);
  for (const auto& [entry, op] : order)
    fmt::print(out, "  {:<24} {:>10.3f} ms {:>6.1f} %  {:>5} calls  {:>8.2f} us a call, {:>8.2f} in its kernel\n", op,
               entry.microseconds * to_ms, 100 * entry.microseconds / total.microseconds, entry.calls / profile.runs,
               entry.microseconds / entry.calls, entry.kernel_microseconds / entry.calls);
}

struct Timings {
  std::vector<double> prefill, decode, total;  // seconds, one an iteration
  Profile prefill_profile, decode_profile;     // of the last iteration's last prefill step and every decode step
};

Timings measure(GraphRunner& runner, const LatencyFlags& flags) {
  SteppedBatch batch(runner, flags.batch_size, flags.input_len + flags.output_len);
  std::vector<std::vector<int>> prompts;
  for (std::int64_t i = 0; i < flags.batch_size; ++i)
    prompts.push_back(random_token_ids(flags.input_len, 0, runner.vocab_size(), static_cast<std::uint64_t>(i)));
  Timings timings;
  int rounds = flags.num_iters_warmup + flags.num_iters;
  Progress bar("measuring", "rounds", rounds);
  for (int round = 0; round < rounds; ++round) {
    bool last = flags.profile && round + 1 == rounds;
    runner.plan().set_profiling(last);
    batch.restart();
    double start = now();
    batch.prefill(prompts);
    double middle = now();
    if (last) add_profile(timings.prefill_profile, runner.plan());
    std::vector<int> tokens =
        random_token_ids(flags.batch_size, 0, runner.vocab_size(), static_cast<std::uint64_t>(round));
    double decode_start = now();
    for (std::int64_t step = 0; step < flags.output_len; ++step) {
      batch.decode(tokens);
      if (last) add_profile(timings.decode_profile, runner.plan());
    }
    double end = now();
    bar.update(round + 1);
    if (round < flags.num_iters_warmup) continue;
    timings.prefill.push_back(middle - start);
    timings.decode.push_back(end - decode_start);
    timings.total.push_back(middle - start + end - decode_start);
  }
  return timings;
}

nlohmann::ordered_json report_of(const LatencyFlags& flags, const GraphRunner& runner, const Timings& timings,
                                 double load_seconds) {
  auto phase = [](const std::vector<double>& seconds, double tokens) -> nlohmann::ordered_json {
    return {
        {"tokens", tokens}, {"seconds", distribution(seconds)}, {"tokens_per_s", tokens / percentile(seconds, 0.5)}};
  };
  auto batch = static_cast<double>(flags.batch_size);
  nlohmann::ordered_json report = {{"model", flags.engine.model_path()},
                                   {"input_len", flags.input_len},
                                   {"output_len", flags.output_len},
                                   {"batch_size", flags.batch_size},
                                   {"num_iters", flags.num_iters},
                                   {"threads", runner.threads()},
                                   {"isa", to_string(runner.isa())},
                                   {"load_seconds", load_seconds},
                                   {"weight_bytes", runner.weights().packed_bytes()}};
  report["prefill"] = phase(timings.prefill, batch * static_cast<double>(flags.input_len));
  if (flags.output_len > 0) report["decode"] = phase(timings.decode, batch * static_cast<double>(flags.output_len));
  report["latency_s"] = distribution(timings.total);
  return report;
}

void print_table(const nlohmann::ordered_json& report) {
  auto number = [&](const char* a, const char* b, const char* c) { return report[a][b][c].get<double>(); };
  fmt::print("batch {} of {} + {} tokens, {} threads, {}\n", report["batch_size"].get<int>(),
             report["input_len"].get<int>(), report["output_len"].get<int>(), report["threads"].get<int>(),
             report["isa"].get<std::string>());
  for (const char* phase : {"prefill", "decode"})
    if (report.contains(phase))
      fmt::print("  {:<8} median {:>9.2f} ms  p90 {:>9.2f} ms  p99 {:>9.2f} ms  {:>10.1f} tokens/s\n", phase,
                 1e3 * number(phase, "seconds", "median"), 1e3 * number(phase, "seconds", "p90"),
                 1e3 * number(phase, "seconds", "p99"), report[phase]["tokens_per_s"].get<double>());
  const auto& total = report["latency_s"];
  fmt::print("  {:<8} median {:>9.2f} ms  p90 {:>9.2f} ms  p99 {:>9.2f} ms\n", "both",
             1e3 * total["median"].get<double>(), 1e3 * total["p90"].get<double>(), 1e3 * total["p99"].get<double>());
}

int bench_latency(LatencyFlags flags) {
  RunnerConfig& runner_config = flags.engine.runner;
  runner_config.max_num_seqs = flags.batch_size;
  runner_config.max_num_batched_tokens = std::max(runner_config.max_num_batched_tokens, flags.batch_size);
  if (runner_config.max_model_len == 0) runner_config.max_model_len = flags.input_len + flags.output_len;
  if (runner_config.max_model_len < flags.input_len + flags.output_len)
    fail_invalid("--input-len {} and --output-len {} are more than --max-model-len {}", flags.input_len,
                 flags.output_len, runner_config.max_model_len);
  double start = now();
  std::shared_ptr<const Checkpoint> checkpoint = Checkpoint::open(flags.engine.model_path());
  std::unique_ptr<GraphRunner> runner = make_runner(flags.engine, checkpoint, flags.engine.make_log());
  double load_seconds = now() - start;
  Timings timings = measure(*runner, flags);
  nlohmann::ordered_json report = report_of(flags, *runner, timings, load_seconds);
  bool table_to_stderr = flags.json == "-";
  if (!table_to_stderr) print_table(report);
  if (flags.profile) {
    std::FILE* out = table_to_stderr ? stderr : stdout;
    print_profile(out, "prefill, last step", timings.prefill_profile);
    if (flags.output_len > 0) print_profile(out, "decode, mean step", timings.decode_profile);
  }
  if (!flags.json.empty()) write_report(flags.json, report);
  return 0;
}

}  // namespace

void add_bench_latency(CLI::App& bench, Action& action) {
  auto flags = std::make_shared<LatencyFlags>();
  CLI::App* command = bench.add_subcommand("latency", "Time prefill and decode of a fixed batch, without the engine");
  flags->engine.add_to(*command);
  add_count(*command, "--input-len", flags->input_len, "prompt tokens of each sequence");
  command->add_option("--output-len", flags->output_len, "decode steps")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_count(*command, "--batch-size", flags->batch_size, "sequences");
  add_count(*command, "--num-iters", flags->num_iters, "measured rounds");
  command->add_option("--num-iters-warmup", flags->num_iters_warmup, "rounds before those")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_json(*command, flags->json);
  command->add_flag("--profile", flags->profile, "print the time of each operator");
  command->callback([flags, &action] { action = [flags] { return bench_latency(*flags); }; });
}

}  // namespace cairn
