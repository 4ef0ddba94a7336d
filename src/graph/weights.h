// The weights of a graph in the layout that its passes chose, packed once.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.h"
#include "runtime/arena.h"
#include "runtime/thread_team.h"

namespace cairn {

struct WeightProgress {
  std::int64_t done_bytes = 0, total_bytes = 0;  // of stored data
};

/// Owns the packed weights; strided ones stay where they are stored. Immutable after loading.
class Weights {
 public:
  /// Packs every weight of layout panel16 with the whole team. `release` is called with a weight's stored view once it
  /// is packed (to drop its pages); `progress` after each weight. Either may be empty.
  Weights(const Graph& graph, ThreadTeam& team, const std::function<void(const TensorView&)>& release = nullptr,
          const std::function<void(const WeightProgress&)>& progress = nullptr);

  /// Views without the packed data, for plans that are described and never run.
  explicit Weights(const Graph& graph);

  /// View of weight `id` of the graph; null data for values that are no weights.
  const TensorView& view(ValueId id) const { return views_[static_cast<std::size_t>(id.index)]; }
  std::int64_t packed_bytes() const { return static_cast<std::int64_t>(arena_.used()); }

 private:
  Arena arena_;
  std::vector<TensorView> views_;
};

}  // namespace cairn
