#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/error.h"
#include "runtime/arena.h"
#include "runtime/thread_team.h"

namespace cairn {
namespace {

TEST(Arena, GivesAlignedZeroedMemoryAndNamesItsPurposeWhenFull) {
  Arena arena("test weights", 1 << 20);
  std::byte* first = arena.allocate(100);
  std::byte* second = arena.allocate(1);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0u);
  EXPECT_EQ(second - first, 128);
  EXPECT_EQ(std::to_integer<int>(first[99]), 0);
  try {
    arena.allocate(std::size_t{1} << 40);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::resource_exhausted);
    EXPECT_NE(std::string(error.what()).find("test weights"), std::string::npos);
  }
  EXPECT_THROW(arena.allocate(SIZE_MAX), Error);
}

TEST(Arena, ReleasedPagesComeBackZeroedAtTheSameAddress) {
  Arena arena("x", 4096);
  std::byte* data = arena.allocate(64);
  data[0] = std::byte{7};
  arena.release_pages();
  EXPECT_EQ(std::to_integer<int>(data[0]), 0);
}

TEST(ThreadTeam, EveryMemberRunsOnceARunAndBarriersSeparatePhases) {
  for (int size : {1, 2, 3, 5}) {
    ThreadTeam team(size);
    for (int round = 0; round < 200; ++round) {
      std::vector<int> first(size, 0), sums(size, 0);
      team.run([&](int member) {
        first[member] = member + 1;
        team.barrier();
        sums[member] = std::accumulate(first.begin(), first.end(), 0);
        team.barrier();
        first[member] = 0;
      });
      for (int sum : sums) ASSERT_EQ(sum, size * (size + 1) / 2);
    }
  }
}

TEST(Machine, LimitsArePlausible) {
  EXPECT_GE(available_processors(), 1);
  EXPECT_GT(memory_limit(), resident_bytes());
}

}  // namespace
}  // namespace cairn
