#include "runtime/placement.h"

#include <gtest/gtest.h>
#include <hwloc.h>
#include <sched.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "runtime/thread_team.h"

namespace cairn {
namespace {

// Members' processors on a machine described as hwloc's synthetic topologies are.
std::vector<int> spread(const char* machine, int threads) {
  hwloc_topology_t topology;
  hwloc_topology_init(&topology);
  EXPECT_EQ(hwloc_topology_set_synthetic(topology, machine), 0);
  EXPECT_EQ(hwloc_topology_load(topology), 0);
  std::vector<int> processors = spread_members(topology, threads);
  hwloc_topology_destroy(topology);
  return processors;
}

constexpr const char* kTwoNodes = "node:2 core:4 pu:2";  // processors 0-7 and 8-15, neighbours share a core

TEST(Placement, AutoTakesEachCoreOnceBeforeASecondHardwareThread) {
  EXPECT_EQ(spread(kTwoNodes, 8), (std::vector<int>{0, 2, 4, 6, 8, 10, 12, 14}));
  const std::vector<int> all = spread(kTwoNodes, 16);
  EXPECT_EQ(std::set<int>(all.begin(), all.end()).size(), 16u);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
}

TEST(Placement, AutoSharesMembersAmongNodesAndKeepsNeighboursTogether) {
  EXPECT_EQ(spread(kTwoNodes, 2), (std::vector<int>{0, 8}));
  const std::vector<int> four = spread(kTwoNodes, 4);
  EXPECT_EQ(std::count_if(four.begin(), four.end(), [](int cpu) { return cpu < 8; }), 2);
  EXPECT_TRUE(std::is_sorted(four.begin(), four.end()));
}

TEST(Placement, NoneBindsNothing) { EXPECT_TRUE(place_members("none", 4).empty()); }

TEST(Placement, AutoIsInsideTheAllowedSet) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  const std::vector<int> members = place_members("auto", CPU_COUNT(&allowed));
  EXPECT_EQ(std::set<int>(members.begin(), members.end()).size(), static_cast<std::size_t>(CPU_COUNT(&allowed)));
  for (int cpu : members) EXPECT_TRUE(CPU_ISSET(cpu, &allowed));
}

TEST(Placement, ListsAreChecked) {
  for (const char* bad : {"", "a", "0,", "1-", "-1", "3-1", "0x", "99999", "automatic"})
    EXPECT_THROW(place_members(bad, 1), Error) << bad;
  EXPECT_THROW(place_members("0", 2), Error);     // too short
  EXPECT_THROW(place_members("1023", 1), Error);  // not there
}

TEST(Placement, MembersRunWhereTheyAreBoundAndTheCallerIsFreeAfterwards) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  const std::vector<int> processors = place_members("auto", 2);
  ThreadTeam team(2, processors);
  std::vector<int> seen(2);
  for (int round = 0; round < 50; ++round) {
    team.run([&](int member) { seen[static_cast<std::size_t>(member)] = sched_getcpu(); });
    ASSERT_EQ(seen, processors);
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

}  // namespace
}  // namespace cairn
