// Liveness to offsets: every intermediate value of a graph gets a place in one arena.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace cairn {

/// Where a value's storage comes from, once views and in-place updates are followed to their root.
struct Storage {
  ValueId root;              // a value with storage of its own: an input, a weight, or a fresh result
  std::int64_t offset = -1;  // in the arena, for fresh results
};

struct Buffer {
  std::string name;
  std::int64_t offset = 0, bytes = 0;
  int first_step = 0, last_step = 0;  // node indices
};

struct MemoryPlan {
  std::vector<Storage> storage;               // by value
  std::vector<std::int64_t> workspace_offset;  // by node; -1 where none
  std::vector<Buffer> buffers;
  std::int64_t arena_bytes = 0;
  std::int64_t unshared_bytes = 0;  // what the buffers would take without reuse
};

/// Plans for the largest value of each symbol. `workspace_bytes` is by node.
MemoryPlan plan_memory(const Graph& graph, const std::vector<std::int64_t>& workspace_bytes);

}  // namespace cairn
