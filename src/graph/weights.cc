#include "graph/weights.h"

#include "base/error.h"
#include "ops/matmul/packed_weight.h"

namespace cairn {
namespace {

bool is_packed(const Value& value) { return value.kind == ValueKind::weight && value.type.layout == Layout::panel16; }

}  // namespace

std::int64_t packed_bytes(const Graph& graph) {
  std::int64_t bytes = 0;
  for (const Value& value : graph.values())
    if (is_packed(value)) bytes += packed_bytes(value.stored);
  return bytes;
}

std::string packing_key(const Graph& graph) {
  std::string key = fmt::format("panel16 version {}\n", kPanelLayoutVersion);
  for (const Value& value : graph.values())
    if (is_packed(value))
      key += fmt::format("{} {} {}\n", value.name, name(value.stored.dtype), to_string(value.stored.shape));
  return key;
}

Weights::Weights(const Graph& graph) : views_(graph.values().size()) {
  for (std::size_t v = 0; v < graph.values().size(); ++v)
    if (graph.values()[v].kind == ValueKind::weight) views_[v] = graph.values()[v].stored;
}

Weights::Weights(const Graph& graph, ThreadTeam& team, WeightLoading loading)
    : cache_(std::move(loading.cache)), packed_bytes_(cairn::packed_bytes(graph)), views_(graph.values().size()) {
  WeightProgress state;
  for (const Value& value : graph.values())
    if (is_packed(value)) state.total_bytes += byte_size(value.stored.dtype, value.stored.shape);
  if (!cache_) arena_ = Arena("packed weights", static_cast<std::size_t>(packed_bytes_));
  std::byte* next = cache_ ? cache_->data() : arena_.allocate(static_cast<std::size_t>(packed_bytes_));
  for (std::size_t v = 0; v < graph.values().size(); ++v) {
    const Value& value = graph.values()[v];
    if (value.kind == ValueKind::weight) views_[v] = value.stored;
    if (!is_packed(value)) continue;
    TensorView& view = views_[v];
    view.layout = Layout::panel16;
    view.strides = {};
    view.source = nullptr;
    view.data = next;
    next += cairn::packed_bytes(value.stored);
    if (cache_ && cache_->filled()) continue;
    std::int64_t panels = (value.stored.dim(0) + kPanelOutputs - 1) / kPanelOutputs;
    team.run([&](int member) { pack_panels(value.stored, view.data, share(panels, {member, team.size()})); });
    if (loading.release) loading.release(value.stored);
    state.done_bytes += byte_size(value.stored.dtype, value.stored.shape);
    if (loading.progress) loading.progress(state);
  }
  if (cache_) cache_->keep();
}

}  // namespace cairn
