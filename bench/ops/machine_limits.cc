#include "machine_limits.h"

#include <atomic>
#include <cstring>

#include "limits_kernels.h"

namespace cairn {
#define X(isa)                           \
  namespace isa {                        \
  extern const LimitsTable kLimitsTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace bench {
namespace {

const LimitsTable& table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kLimitsTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kLimitsTable;
}

double measure_peak(ThreadTeam& team, double (*kernel)(std::int64_t, float*)) {
  double best = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<double> operations(static_cast<std::size_t>(team.size()));
    double seconds = seconds_of([&] {
      team.run([&](int member) {
        alignas(64) float sink[48] = {};
        operations[static_cast<std::size_t>(member)] = kernel(100'000, sink);
      });
    });
    double total = 0;
    for (double n : operations) total += n;
    best = std::max(best, total / seconds);
  }
  return best;
}

}  // namespace

double measure_fma_peak(ThreadTeam& team, Isa isa) { return measure_peak(team, table(isa).fma); }
double measure_i8_peak(ThreadTeam& team, Isa isa) { return measure_peak(team, table(isa).dot_i8); }
double measure_bf16_peak(ThreadTeam& team, Isa isa) { return measure_peak(team, table(isa).dot_bf16); }

ReadBandwidth::ReadBandwidth(std::int64_t bytes) : arena_("bandwidth probe", static_cast<std::size_t>(bytes)) {
  std::memset(arena_.allocate(static_cast<std::size_t>(bytes)), 1, static_cast<std::size_t>(bytes));
}

double ReadBandwidth::measure(ThreadTeam& team, Isa isa) const {
  const auto* data = reinterpret_cast<const float*>(arena_.data());
  std::atomic<float> total{0};
  const std::int64_t piece = (32 << 20) / static_cast<std::int64_t>(sizeof(float)), share = piece / team.size();
  double best = 1e30;
  for (std::int64_t from = 0; from + piece <= static_cast<std::int64_t>(arena_.used() / sizeof(float)); from += piece)
    best = std::min(
        best, seconds_of([&] {
          team.run([&](int member) { total = total + table(isa).read(data + from + member * share, share); });
        }));
  return static_cast<double>(share * team.size()) * sizeof(float) / best;
}

}  // namespace bench
}  // namespace cairn
