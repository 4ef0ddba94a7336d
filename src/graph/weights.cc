#include "graph/weights.h"

#include <algorithm>

#include "base/error.h"
#include "ops/matmul/packed_weight.h"

namespace cairn {
namespace {

bool is_packed(const Value& value) { return value.kind == ValueKind::weight && value.type.layout == Layout::panel16; }

// Packed weights that one step reads, in its order; those of a step with very many (experts) one by one, so that stored
// pages are released soon.
std::vector<std::vector<ValueId>> packing_groups(const Graph& graph) {
  constexpr std::size_t kMostTogether = 8;
  std::vector<std::vector<ValueId>> groups;
  std::vector<bool> seen(graph.values().size(), false);
  for (const Node& node : graph.nodes()) {
    std::vector<ValueId> group;
    for (ValueId id : node.inputs) {
      if (!is_packed(graph.value(id)) || seen[static_cast<std::size_t>(id.index)]) continue;
      seen[static_cast<std::size_t>(id.index)] = true;
      group.push_back(id);
    }
    if (group.empty()) continue;
    if (group.size() <= kMostTogether) {
      groups.push_back(std::move(group));
    } else {
      for (ValueId id : group) groups.push_back({id});
    }
  }
  return groups;
}

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
  }
  if (cache_ && cache_->filled()) return;
  for (const std::vector<ValueId>& group : packing_groups(graph)) {
    team.run([&](int member) { pack(graph, group, {member, team.size()}); });
    for (ValueId id : group) {
      const TensorView& stored = graph.value(id).stored;
      if (loading.release) loading.release(stored);
      state.done_bytes += byte_size(stored.dtype, stored.shape);
    }
    if (loading.progress) loading.progress(state);
  }
  if (cache_) cache_->keep();
}

void Weights::pack(const Graph& graph, const std::vector<ValueId>& group, Worker member) const {
  std::int64_t total = 0, before = 0;
  for (ValueId id : group) total += cairn::packed_bytes(graph.value(id).stored);
  const Range mine = share(total, member);
  for (ValueId id : group) {
    const TensorView& stored = graph.value(id).stored;
    const std::int64_t panels = panels_of(stored);
    if (panels == 0) continue;
    const std::int64_t panel_bytes = cairn::packed_bytes(stored) / panels;
    auto cut = [&](std::int64_t at) { return std::clamp<std::int64_t>((at - before) / panel_bytes, 0, panels); };
    const Range part = {cut(mine.begin), cut(mine.end)};
    if (part.begin < part.end) pack_panels(stored, view(id).data, part);
    before += panels * panel_bytes;
  }
}

}  // namespace cairn
