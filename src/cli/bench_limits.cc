// cairn bench limits: what this machine can do.
#include <fmt/format.h>

#include "cli/bench.h"
#include "cli/progress.h"
#include "measure/machine_limits.h"

namespace cairn {
namespace {

struct LimitsFlags {
  int threads = 0;
  std::string json;
};

void print_table(const std::vector<Limit>& limits, Isa isa) {
  fmt::print("limits with {}; each the best of some milliseconds, a multiply-add is two operations\n\n",
             to_string(isa));
  fmt::print("{:<14}{:>9}{:>12}\n", "", "threads", "");
  for (const Limit& limit : limits)
    fmt::print("{:<14}{:>9}{:>12.1f} {}\n", limit.name, limit.threads, limit.value, limit.unit);
}

int bench_limits(const LimitsFlags& flags) {
  const Isa isa = choose_isa();
  const int threads = flags.threads > 0 ? flags.threads : available_processors();
  std::vector<Limit> limits;
  {
    std::unique_ptr<Progress> bar;
    limits = measure_limits(threads, isa, [&](int done, int total) {
      if (!bar) bar = std::make_unique<Progress>("measuring", "limits", total);
      bar->update(done);
    });
  }
  if (flags.json != "-") print_table(limits, isa);
  if (flags.json.empty()) return 0;
  nlohmann::ordered_json report = {{"isa", to_string(isa)}, {"limits", nlohmann::ordered_json::array()}};
  for (const Limit& limit : limits)
    report["limits"].push_back(
        {{"name", limit.name}, {"threads", limit.threads}, {"value", limit.value}, {"unit", limit.unit}});
  write_report(flags.json, report);
  return 0;
}

}  // namespace

void add_bench_limits(CLI::App& bench, Action& action) {
  auto flags = std::make_shared<LimitsFlags>();
  CLI::App* command =
      bench.add_subcommand("limits", "Measure this machine: bandwidth of memory and caches, peaks of arithmetic");
  command->add_option("--threads", flags->threads, "up to so many threads; 0: all processors")
      ->check(CLI::NonNegativeNumber);
  add_json(*command, flags->json);
  command->callback([flags, &action] { action = [flags] { return bench_limits(*flags); }; });
}

}  // namespace cairn
