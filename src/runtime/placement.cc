#include "runtime/placement.h"

#include <hwloc.h>
#include <sched.h>

#include <charconv>
#include <climits>
#include <memory>

#include "base/error.h"

namespace cairn {
namespace {

struct DestroyTopology {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
using Topology = std::unique_ptr<hwloc_topology, DestroyTopology>;

cpu_set_t allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    fail(ErrorKind::internal, "the processors of this process are not known");
  return set;
}

Topology this_machine() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) fail(ErrorKind::internal, "hwloc_topology_init failed");
  Topology topology(raw);
  if (hwloc_topology_load(raw) != 0) fail(ErrorKind::internal, "hwloc could not read this machine's topology");
  const cpu_set_t allowed = allowed_processors();
  hwloc_bitmap_t set = hwloc_bitmap_alloc();
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &allowed)) hwloc_bitmap_set(set, static_cast<unsigned>(cpu));
  const int failed = hwloc_topology_restrict(raw, set, 0);
  hwloc_bitmap_free(set);
  if (failed != 0) fail(ErrorKind::internal, "hwloc does not know the processors of this process");
  return topology;
}

int parse_processor(std::string_view text, std::string_view spec) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value >= CPU_SETSIZE)
    fail_invalid("threads_bind '{}': '{}' is not a processor; none, auto, or a list like 0-3,8 is accepted", spec,
                 text);
  return value;
}

std::vector<int> parse_list(std::string_view spec) {
  std::vector<int> processors;
  for (std::string_view rest = spec;;) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    const std::size_t dash = item.find('-');
    const int first = parse_processor(item.substr(0, dash), spec);
    const int last = dash == std::string_view::npos ? first : parse_processor(item.substr(dash + 1), spec);
    if (last < first) fail_invalid("threads_bind '{}': the range {} runs backwards", spec, item);
    for (int cpu = first; cpu <= last; ++cpu) processors.push_back(cpu);
    if (comma == std::string_view::npos) return processors;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace

std::vector<int> spread_members(hwloc_topology* topology, int threads) {
  hwloc_obj_t root = hwloc_get_root_obj(topology);
  std::vector<hwloc_bitmap_t> sets(static_cast<std::size_t>(threads));
  if (hwloc_distrib(topology, &root, 1, sets.data(), static_cast<unsigned>(threads), INT_MAX, 0) != 0)
    fail(ErrorKind::internal, "hwloc could not spread {} threads", threads);
  std::vector<int> processors;
  for (hwloc_bitmap_t set : sets) {
    processors.push_back(hwloc_bitmap_first(set));
    hwloc_bitmap_free(set);
  }
  return processors;
}

std::vector<int> place_members(std::string_view spec, int threads) {
  if (spec == "none") return {};
  if (spec == "auto") return spread_members(this_machine().get(), threads);
  std::vector<int> processors = parse_list(spec);
  if (processors.size() < static_cast<std::size_t>(threads))
    fail_invalid("threads_bind '{}' names {} processors for {} threads; name more or lower --threads", spec,
                 processors.size(), threads);
  processors.resize(static_cast<std::size_t>(threads));
  const cpu_set_t allowed = allowed_processors();
  for (int cpu : processors)
    if (!CPU_ISSET(cpu, &allowed)) fail_invalid("threads_bind '{}': this process may not use processor {}", spec, cpu);
  return processors;
}

}  // namespace cairn
