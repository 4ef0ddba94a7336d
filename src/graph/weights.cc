#include "graph/weights.h"

#include "ops/matmul/packed_weight.h"

namespace cairn {

Weights::Weights(const Graph& graph) : views_(graph.values().size()) {
  for (std::size_t v = 0; v < graph.values().size(); ++v)
    if (graph.values()[v].kind == ValueKind::weight) views_[v] = graph.values()[v].stored;
}

Weights::Weights(const Graph& graph, ThreadTeam& team, const std::function<void(const TensorView&)>& release,
                 const std::function<void(const WeightProgress&)>& progress)
    : views_(graph.values().size()) {
  std::size_t bytes = 0;
  WeightProgress state;
  auto is_packed = [](const Value& value) { return value.kind == ValueKind::weight && value.type.layout == Layout::panel16; };
  for (const Value& value : graph.values()) {
    if (!is_packed(value)) continue;
    bytes += (static_cast<std::size_t>(cairn::packed_bytes(value.stored)) + 63) / 64 * 64;
    state.total_bytes += byte_size(value.stored.dtype, value.stored.shape);
  }
  arena_ = Arena("packed weights", bytes);
  for (std::size_t v = 0; v < graph.values().size(); ++v) {
    const Value& value = graph.values()[v];
    if (value.kind == ValueKind::weight) views_[v] = value.stored;
    if (!is_packed(value)) continue;
    TensorView& view = views_[v];
    view.layout = Layout::panel16;
    view.strides = {};
    view.data = arena_.allocate(static_cast<std::size_t>(cairn::packed_bytes(value.stored)));
    std::int64_t panels = (value.stored.dim(0) + 15) / 16;
    team.run([&](int member) { pack_panels(value.stored, view.data, share(panels, {member, team.size()})); });
    if (release) release(value.stored);
    state.done_bytes += byte_size(value.stored.dtype, value.stored.shape);
    if (progress) progress(state);
  }
}

}  // namespace cairn
