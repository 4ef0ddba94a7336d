// Which processors the members of a team run on.
#pragma once

#include <string_view>
#include <vector>

struct hwloc_topology;

namespace cairn {

/// The processor of each of `threads` members, as the system numbers them, or nothing when they are not bound. `spec`:
///   "none"  not bound: the system moves members inside the process's allowed set;
///   "auto"  spread over the machine as evenly as it goes: over NUMA nodes, then caches, then cores, and only then over
///           the hardware threads of a core; neighbours in the team are neighbours on the machine;
///   a list  "0-3,8": a processor a member, in this order.
/// Throws invalid_argument for a list that is malformed, too short, or names a processor that this process may not use.
std::vector<int> place_members(std::string_view spec, int threads);

/// "auto" on a topology of hwloc (https://www.open-mpi.org/projects/hwloc).
std::vector<int> spread_members(hwloc_topology* topology, int threads);

}  // namespace cairn
