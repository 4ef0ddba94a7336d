#include "cli/bench.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <random>

#include "base/error.h"
#include "cli/batch_files.h"

namespace cairn {

void add_json(CLI::App& command, std::string& path) {
  command.add_option("--json", path, "write the figures as JSON to this file; - is standard output");
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  double rank = share * static_cast<double>(values.size() - 1);
  auto below = static_cast<std::size_t>(rank);
  std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (rank - std::floor(rank));
}

nlohmann::ordered_json distribution(const std::vector<double>& values) {
  double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {{"mean", values.empty() ? 0 : sum / static_cast<double>(values.size())},
          {"median", percentile(values, 0.5)},
          {"p90", percentile(values, 0.9)},
          {"p99", percentile(values, 0.99)}};
}

void write_report(const std::string& path, const nlohmann::ordered_json& report) { LineFile(path).write(report); }

std::vector<int> random_token_ids(std::int64_t count, int low, int high, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int> ids(static_cast<std::size_t>(count));
  for (int& id : ids) id = low + static_cast<int>(random() % static_cast<std::uint64_t>(high - low));
  return ids;
}

void add_bench(CLI::App& app, Action& action) {
  CLI::App* bench =
      app.add_subcommand("bench", "Measure the machine, operators, latency, throughput, or a running server");
  bench->require_subcommand(1);
  add_bench_limits(*bench, action);
  add_bench_ops(*bench, action);
  add_bench_latency(*bench, action);
  add_bench_throughput(*bench, action);
  add_bench_serve(*bench, action);
}

}  // namespace cairn
