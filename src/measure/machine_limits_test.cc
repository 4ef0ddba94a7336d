#include "measure/machine_limits.h"

#include <gtest/gtest.h>

#include "measure/limits_kernels.h"

namespace cairn {
namespace {

TEST(MachineLimits, EveryLimitOfEveryInstructionSetIsPositiveAndFinite) {
  for (Isa isa : supported_isas()) {
    ThreadTeam team(2);
    for (Arithmetic arithmetic : {Arithmetic::f32, Arithmetic::bf16, Arithmetic::int8}) {
      const double peak = measure_peak(team, isa, arithmetic);
      EXPECT_GT(peak, 1e8) << to_string(isa) << " " << to_string(arithmetic);
      EXPECT_LT(peak, 1e15);
    }
    const MemoryBandwidth memory(128 << 20);
    for (double rate : {memory.read(team, isa), memory.copy(team, isa), measure_cache_read(team, isa, 256 << 10)}) {
      EXPECT_GT(rate, 1e8) << to_string(isa);
      EXPECT_LT(rate, 1e14);
    }
  }
}

TEST(MachineLimits, WiderInstructionSetsHaveHigherPeaks) {
  ThreadTeam team(1);
  const std::vector<Isa> isas = supported_isas();
  if (isas.size() < 2) GTEST_SKIP() << "one instruction set here";
  EXPECT_GT(measure_peak(team, isas.back(), Arithmetic::int8),
            1.5 * measure_peak(team, Isa::portable, Arithmetic::int8));
}

TEST(MachineLimits, OddTeamsAndSmallCachesWork) {
  ThreadTeam team(3);
  EXPECT_GT(measure_cache_read(team, choose_isa(), 1000), 0);
  EXPECT_GT(MemoryBandwidth(64 << 20).read(team, choose_isa()), 0);
}

TEST(MachineLimits, CachesAreToldFromTheFirstLevelOn) {
  int level = 0;
  for (const CacheLevel& cache : data_caches()) {
    EXPECT_GT(cache.level, level);
    EXPECT_GE(cache.bytes, 4096);
    level = cache.level;
  }
}

}  // namespace
}  // namespace cairn
