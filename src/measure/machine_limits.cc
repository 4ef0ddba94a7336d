#include "measure/machine_limits.h"

#include <fmt/format.h>

#include <atomic>
#include <cstring>
#include <fstream>

#include "base/text.h"
#include "measure/limits_kernels.h"

namespace cairn {
#define X(isa)                           \
  namespace isa {                        \
  extern const LimitsTable kLimitsTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace {

constexpr std::int64_t kPieceBytes = 32 << 20, kFloatBytes = sizeof(float);

const LimitsTable& table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kLimitsTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kLimitsTable;
}

double (*peak_loop(const LimitsTable& loops, Arithmetic arithmetic))(std::int64_t, float*) {
  return arithmetic == Arithmetic::int8 ? loops.dot_i8 : arithmetic == Arithmetic::bf16 ? loops.dot_bf16 : loops.fma;
}

// A share of n floats in whole steps of the loops.
std::int64_t share_of(std::int64_t n, const ThreadTeam& team) { return n / team.size() / 64 * 64; }

}  // namespace

double measure_peak(ThreadTeam& team, Isa isa, Arithmetic arithmetic) {
  auto* const loop = peak_loop(table(isa), arithmetic);
  double best = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<double> operations(static_cast<std::size_t>(team.size()));
    const double seconds = seconds_of([&] {
      team.run([&](int member) {
        alignas(64) float sink[48] = {};
        operations[static_cast<std::size_t>(member)] = loop(isa == Isa::portable ? 10'000 : 100'000, sink);
      });
    });
    double total = 0;
    for (double n : operations) total += n;
    best = std::max(best, total / seconds);
  }
  return best;
}

MemoryBandwidth::MemoryBandwidth(std::int64_t bytes) : arena_("bandwidth probe", static_cast<std::size_t>(bytes)) {
  std::memset(arena_.allocate(static_cast<std::size_t>(bytes)), 1, static_cast<std::size_t>(bytes));
}

double MemoryBandwidth::read(ThreadTeam& team, Isa isa) const {
  const auto* data = reinterpret_cast<const float*>(arena_.data());
  std::atomic<float> total{0};
  const std::int64_t piece = kPieceBytes / kFloatBytes, share = share_of(piece, team);
  double best = 1e30;
  for (std::int64_t from = 0; from + piece <= static_cast<std::int64_t>(arena_.used()) / kFloatBytes; from += piece)
    best =
        std::min(best, seconds_of([&] {
                   team.run([&](int member) { total = total + table(isa).read(data + from + member * share, share); });
                 }));
  return static_cast<double>(share * team.size() * kFloatBytes) / best;
}

double MemoryBandwidth::copy(ThreadTeam& team, Isa isa) const {
  auto* data = reinterpret_cast<float*>(arena_.data());
  const std::int64_t half = static_cast<std::int64_t>(arena_.used()) / kFloatBytes / 2;
  const std::int64_t piece = kPieceBytes / kFloatBytes, share = share_of(piece, team);
  double best = 1e30;
  for (std::int64_t from = 0; from + piece <= half; from += piece)
    best = std::min(best, seconds_of([&] {
                      team.run([&](int member) {
                        const std::int64_t at = from + member * share;
                        table(isa).copy(data + half + at, data + at, share);
                      });
                    }));
  return static_cast<double>(share * team.size() * kFloatBytes) / best;
}

double measure_cache_read(ThreadTeam& team, Isa isa, std::int64_t bytes) {
  const std::int64_t n = bytes / kFloatBytes / 64 * 64;
  const std::int64_t repeats = std::max<std::int64_t>(1, (8 << 20) / (n * kFloatBytes));
  Arena arena("cache probe", static_cast<std::size_t>(team.size() * n * kFloatBytes));
  std::memset(arena.allocate(arena.capacity()), 1, arena.capacity());
  const auto* data = reinterpret_cast<const float*>(arena.data());
  std::atomic<float> total{0};
  auto read = [&] {
    team.run([&](int member) {
      float sum = 0;
      for (std::int64_t i = 0; i < repeats; ++i) sum += table(isa).read(data + member * n, n);
      total = total + sum;
    });
  };
  read();
  return static_cast<double>(team.size() * n * kFloatBytes * repeats) / best_seconds(15, read);
}

std::vector<CacheLevel> data_caches() {
  std::vector<CacheLevel> caches;
  for (int index = 0; index < 8; ++index) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", index);
    std::string type, size;
    int level = 0;
    std::ifstream(folder + "type") >> type;
    std::ifstream(folder + "size") >> size;
    std::ifstream(folder + "level") >> level;
    if (level <= 0 || type == "Instruction" || size.empty()) continue;
    const auto bytes = static_cast<std::int64_t>(parse_bytes(size, "cache size"));
    if (bytes > 0) caches.push_back({level, bytes});
  }
  return caches;
}

std::vector<Limit> measure_limits(int threads, Isa isa, const std::function<void(int, int)>& progress) {
  std::vector<Limit> limits;
  std::vector<int> counts = {1};
  for (int n = 2; n < threads; n *= 2) counts.push_back(n);
  if (threads > 1) counts.push_back(threads);
  const std::vector<CacheLevel> caches = data_caches();
  const MemoryBandwidth memory;
  const int total = static_cast<int>(counts.size()) * (5 + static_cast<int>(caches.size()));
  auto add = [&](std::string name, const char* unit, int count, double value) {
    limits.push_back({std::move(name), unit, count, value / 1e9});
    if (progress) progress(static_cast<int>(limits.size()), total);
  };
  for (int count : counts) {
    ThreadTeam team(count);
    add("memory read", "GB/s", count, memory.read(team, isa));
    add("memory copy", "GB/s", count, memory.copy(team, isa));
    for (const CacheLevel& cache : caches) {
      // A part of the cache: all of a private one but what else lives in it, a member's share of a shared one.
      const std::int64_t bytes = cache.bytes / (cache.level < 3 ? 4 : 4 * count) * (cache.level < 3 ? 3 : 1);
      add(fmt::format("L{} read", cache.level), "GB/s", count, measure_cache_read(team, isa, bytes));
    }
    for (Arithmetic arithmetic : {Arithmetic::f32, Arithmetic::bf16, Arithmetic::int8})
      add(fmt::format("{} peak", to_string(arithmetic)), "GOP/s", count, measure_peak(team, isa, arithmetic));
  }
  return limits;
}

}  // namespace cairn
