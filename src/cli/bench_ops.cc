// cairn bench ops: the operators of a model's plan beside the limits of the machine that bound them.
#include <fmt/format.h>

#include <chrono>
#include <fstream>

#include "base/error.h"
#include "cli/bench.h"
#include "cli/model_setup.h"
#include "cli/progress.h"
#include "cli/stepped_batch.h"
#include "measure/machine_limits.h"
#include "measure/roofline.h"

namespace cairn {
namespace {

struct OpsFlags {
  EngineFlags engine;
  std::int64_t input_len = 512, context = 128;
  std::vector<std::int64_t> batch_sizes = {1, 16};
  int num_iters = 5;
  std::string svg, json;
};

// The plan run over one kind of batch: the run of median length.
struct Phase {
  std::string name;
  std::int64_t tokens = 0;
  double microseconds = 0;  // of the whole run
  std::vector<RooflineRow> rows;
};

Roofs measure_roofs(ThreadTeam& team, const MemoryBandwidth& memory, Isa isa) {
  Roofs roofs;
  roofs.read_bandwidth = memory.read(team, isa);
  for (int i = 0; i < kArithmetics; ++i)
    roofs.peak[static_cast<std::size_t>(i)] = measure_peak(team, isa, static_cast<Arithmetic>(i));
  return roofs;
}

Phase measure_phase(GraphRunner& runner, std::string name, std::int64_t tokens, int rounds,
                    const std::function<void()>& prepare, const std::function<void()>& run) {
  std::vector<Phase> phases;
  for (int round = 0; round <= rounds; ++round) {
    prepare();
    const double seconds = seconds_of(run);
    if (round > 0) phases.push_back({name, tokens, 1e6 * seconds, roofline_rows(runner.plan().last_profile())});
  }
  std::ranges::sort(phases, {}, &Phase::microseconds);
  return std::move(phases[phases.size() / 2]);
}

std::vector<Phase> measure_phases(GraphRunner& runner, const OpsFlags& flags) {
  std::vector<Phase> phases;
  Progress bar("measuring", "batches", static_cast<std::int64_t>(flags.batch_sizes.size()) + 1);
  auto random_prompts = [&](std::int64_t count, std::int64_t length) {
    std::vector<std::vector<int>> prompts;
    for (std::int64_t i = 0; i < count; ++i)
      prompts.push_back(random_token_ids(length, 0, runner.vocab_size(), static_cast<std::uint64_t>(i)));
    return prompts;
  };
  for (std::int64_t size : flags.batch_sizes) {
    SteppedBatch batch(runner, size, flags.context + flags.num_iters + 1);
    batch.prefill(random_prompts(size, flags.context));
    const std::vector<int> tokens = random_token_ids(size, 0, runner.vocab_size(), 1);
    phases.push_back(measure_phase(
        runner, fmt::format("decode, batch {}, {} tokens of context", size, flags.context), size, flags.num_iters,
        [] {}, [&] { batch.decode(tokens); }));
    bar.update(static_cast<std::int64_t>(phases.size()));
  }
  SteppedBatch batch(runner, 1, flags.input_len);
  const std::vector<std::vector<int>> prompts = random_prompts(1, flags.input_len);
  phases.push_back(measure_phase(
      runner, fmt::format("prefill of {} tokens", flags.input_len), flags.input_len, flags.num_iters,
      [&] { batch.restart(); }, [&] { batch.prefill(prompts); }));
  return phases;
}

void print_phase(const Phase& phase, const Roofs& roofs) {
  double inside = 0;
  for (const RooflineRow& row : phase.rows) inside += row.microseconds;
  fmt::print("\n{}: {:.2f} ms, {:.0f} tokens/s; {:.1f} % inside plan steps\n", phase.name, phase.microseconds / 1e3,
             static_cast<double>(phase.tokens) / phase.microseconds * 1e6, 100 * inside / phase.microseconds);
  fmt::print("  {:<18} {:<26} {:>5} {:>10} {:>6} {:>8} {:>9}  {:<7} {:>5}\n", "operator", "weights", "calls", "us",
             "share", "GB/s", "GOP/s", "bound", "of it");
  for (const RooflineRow& row : phase.rows)
    fmt::print("  {:<18} {:<26} {:>5} {:>10.1f} {:>4.1f} % {:>8.1f} {:>9.1f}  {:<7} {:>3.0f} %\n", row.op,
               row.weights.empty() ? "-" : row.weights, row.calls, row.microseconds,
               100 * row.microseconds / phase.microseconds, row.cost.bytes / row.microseconds / 1e3,
               row.cost.operations / row.microseconds / 1e3, row.bound(roofs), 100 * row.fraction(roofs));
}

nlohmann::ordered_json report_of(const Phase& phase, const Roofs& roofs) {
  nlohmann::ordered_json report = {{"phase", phase.name},
                                   {"tokens", phase.tokens},
                                   {"us", phase.microseconds},
                                   {"operators", nlohmann::ordered_json::array()}};
  for (const RooflineRow& row : phase.rows)
    report["operators"].push_back({{"op", row.op},
                                   {"weights", row.weights},
                                   {"calls", row.calls},
                                   {"us", row.microseconds},
                                   {"bytes", row.cost.bytes},
                                   {"operations", row.cost.operations},
                                   {"bound", row.bound(roofs)},
                                   {"fraction", row.fraction(roofs)}});
  return report;
}

// Every phase's rows, marked with what they are of.
std::string picture(const std::vector<Phase>& phases, const Roofs& roofs, const std::string& title) {
  std::vector<RooflineRow> all;
  for (const Phase& phase : phases) {
    double longest = 0;
    for (const RooflineRow& row : phase.rows) longest = std::max(longest, row.microseconds);
    for (RooflineRow row : phase.rows) {
      row.op = phase.name.substr(0, phase.name.find(phase.tokens == 1 ? "," : " tokens")) + ": " + row.op;
      const double scale = 1000 / longest;  // phases count alike
      row.microseconds *= scale, row.cost.bytes *= scale, row.cost.operations *= scale;
      all.push_back(std::move(row));
    }
  }
  return roofline_svg(title, all, roofs);
}

int bench_ops(OpsFlags flags) {
  RunnerConfig& config = flags.engine.runner;
  config.max_num_seqs = std::max<std::int64_t>(std::ranges::max(flags.batch_sizes), 1);
  config.max_num_batched_tokens = std::max(flags.input_len, config.max_num_seqs);
  if (config.max_model_len == 0) config.max_model_len = std::max(flags.input_len, flags.context + flags.num_iters + 1);
  std::shared_ptr<const Checkpoint> checkpoint = Checkpoint::open(flags.engine.model_path());
  std::unique_ptr<GraphRunner> runner = make_runner(flags.engine, checkpoint, flags.engine.make_log());
  ThreadTeam team(runner->threads());
  const MemoryBandwidth memory;
  const Roofs before = measure_roofs(team, memory, runner->isa());
  runner->plan().set_profiling(true);
  const std::vector<Phase> phases = measure_phases(*runner, flags);
  Roofs roofs = measure_roofs(team, memory, runner->isa());
  const double drift = roofs.read_bandwidth / before.read_bandwidth;
  roofs.read_bandwidth = std::max(roofs.read_bandwidth, before.read_bandwidth);
  for (std::size_t i = 0; i < roofs.peak.size(); ++i) roofs.peak[i] = std::max(roofs.peak[i], before.peak[i]);
  if (flags.json != "-") {
    fmt::print("{} threads, {}; memory read {:.1f} GB/s, peaks f32 {:.0f}, bf16 {:.0f}, int8 {:.0f} GOP/s\n",
               runner->threads(), to_string(runner->isa()), roofs.read_bandwidth / 1e9, roofs.peak[0] / 1e9,
               roofs.peak[1] / 1e9, roofs.peak[2] / 1e9);
    if (drift < 0.85 || drift > 1.15)
      fmt::print("the bandwidth changed by {:.0f} % during the run: fractions of it are not to be trusted\n",
                 100 * (drift - 1));
    for (const Phase& phase : phases) print_phase(phase, roofs);
  }
  if (!flags.svg.empty()) {
    std::ofstream file(flags.svg);
    file << picture(phases, roofs, fmt::format("{}, {} threads", flags.engine.model_path(), runner->threads()));
    if (!file.flush()) fail_invalid("cannot write {}", flags.svg);
  }
  if (!flags.json.empty()) {
    nlohmann::ordered_json report = {
        {"model", flags.engine.model_path()},
        {"threads", runner->threads()},
        {"isa", to_string(runner->isa())},
        {"read_bandwidth", roofs.read_bandwidth},
        {"read_bandwidth_drift", drift},
        {"peak", {{"f32", roofs.peak[0]}, {"bf16", roofs.peak[1]}, {"int8", roofs.peak[2]}}},
        {"phases", nlohmann::ordered_json::array()}};
    for (const Phase& phase : phases) report["phases"].push_back(report_of(phase, roofs));
    write_report(flags.json, report);
  }
  return 0;
}

}  // namespace

void add_bench_ops(CLI::App& bench, Action& action) {
  auto flags = std::make_shared<OpsFlags>();
  CLI::App* command =
      bench.add_subcommand("ops", "Time each operator at a model's shapes, beside the limits that bound it");
  flags->engine.add_to(*command);
  add_count(*command, "--input-len", flags->input_len, "prompt tokens of the prefill");
  add_count(*command, "--context", flags->context, "tokens before each decode step");
  command->add_option("--batch-sizes", flags->batch_sizes, "sequences of the decode steps")
      ->delimiter(',')
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  add_count(*command, "--num-iters", flags->num_iters, "measured runs, of which the median counts");
  command->add_option("--svg", flags->svg, "write a roofline plot to this file");
  add_json(*command, flags->json);
  command->callback([flags, &action] { action = [flags] { return bench_ops(*flags); }; });
}

}  // namespace cairn
