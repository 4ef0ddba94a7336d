// The weights of a graph in the layout that its passes chose, packed once.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/weight_cache.h"
#include "runtime/arena.h"
#include "runtime/thread_team.h"

namespace cairn {

struct WeightProgress {
  std::int64_t done_bytes = 0, total_bytes = 0;  // of stored data
};

/// What loading may do beside packing; every part may be empty.
struct WeightLoading {
  std::function<void(const TensorView&)> release;       // a stored weight is packed: its pages may be dropped
  std::function<void(const WeightProgress&)> progress;  // after the weights of a step
  std::unique_ptr<WeightCache> cache;                   // holds the packed weights in place of memory
};

/// Owns the packed weights; strided ones stay where they are stored. Immutable after loading.
class Weights {
 public:
  /// Packs every weight of layout panel16 with the whole team, or takes them from a filled cache.
  /// `loading.cache`, if any, has packed_bytes(graph) bytes.
  Weights(const Graph& graph, ThreadTeam& team, WeightLoading loading = {});

  /// Views without the packed data, for plans that are described and never run.
  explicit Weights(const Graph& graph);

  /// View of weight `id` of the graph; null data for values that are no weights.
  const TensorView& view(ValueId id) const { return views_[static_cast<std::size_t>(id.index)]; }
  std::int64_t packed_bytes() const { return packed_bytes_; }

 private:
  // Packs a member's part of weights that one step reads: what it will stream there. On NUMA machines memory lies near
  // the processor that first writes it, so that bound members (ThreadTeam) read their own node's.
  void pack(const Graph& graph, const std::vector<ValueId>& group, Worker member) const;

  Arena arena_;  // unless there is a cache
  std::unique_ptr<WeightCache> cache_;
  std::int64_t packed_bytes_ = 0;
  std::vector<TensorView> views_;
};

/// Bytes of all packed weights of a graph (each is whole vectors of 64 bytes).
std::int64_t packed_bytes(const Graph& graph);

/// Tells apart whatever changes the packed weights beside the stored data: the layout's version and each packed
/// weight's name, dtype and shape, in order.
std::string packing_key(const Graph& graph);

}  // namespace cairn
