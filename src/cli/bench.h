// cairn bench: what its commands share.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/commands.h"

namespace cairn {

void add_bench_limits(CLI::App& bench, Action& action);
void add_bench_ops(CLI::App& bench, Action& action);
void add_bench_latency(CLI::App& bench, Action& action);
void add_bench_throughput(CLI::App& bench, Action& action);
void add_bench_serve(CLI::App& bench, Action& action);

/// A flag for a count of at least one, which shows its default.
template <typename Count>
void add_count(CLI::App& command, const std::string& flag, Count& value, const std::string& doc) {
  command.add_option(flag, value, doc)->check(CLI::PositiveNumber)->capture_default_str();
}

/// --json, for write_report.
void add_json(CLI::App& command, std::string& path);

/// Linear interpolation between ranks, as numpy's; `share` in [0, 1]. 0 for no values.
double percentile(std::vector<double> values, double share);

/// {"mean", "median", "p90", "p99"} of the values.
nlohmann::ordered_json distribution(const std::vector<double>& values);

/// Writes one line of JSON to a file, or for "-" to stdout.
void write_report(const std::string& path, const nlohmann::ordered_json& report);

/// The same for the same seed; ids within [low, high).
std::vector<int> random_token_ids(std::int64_t count, int low, int high, std::uint64_t seed);

}  // namespace cairn
