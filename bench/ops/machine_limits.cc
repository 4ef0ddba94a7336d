#include "machine_limits.h"

#include <atomic>

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

ReadBandwidth::ReadBandwidth(std::int64_t bytes) : data_(static_cast<std::size_t>(bytes) / sizeof(float), 1.0f) {}

double ReadBandwidth::measure(ThreadTeam& team, Isa isa) const {
  std::atomic<float> total{0};
  const std::int64_t piece = (32 << 20) / static_cast<std::int64_t>(sizeof(float)), share = piece / team.size();
  double best = 1e30;
  for (std::int64_t from = 0; from + piece <= static_cast<std::int64_t>(data_.size()); from += piece)
    best = std::min(
        best, seconds_of([&] {
          team.run([&](int member) { total = total + table(isa).read(data_.data() + from + member * share, share); });
        }));
  return static_cast<double>(share * team.size()) * sizeof(float) / best;
}

}  // namespace bench
}  // namespace cairn
