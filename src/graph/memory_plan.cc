#include "graph/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace cairn {
namespace {

bool has_own_storage(const Graph& graph, const Value& value) {
  if (value.kind != ValueKind::result) return true;
  const Node& node = graph.node(value.producer);
  if (node.op->view) return false;
  auto index = static_cast<std::size_t>(value.output);
  return index >= node.op->alias.size() || node.op->alias[index] < 0;
}

ValueId parent_of(const Graph& graph, const Value& value) {
  const Node& node = graph.node(value.producer);
  return node.inputs[node.op->view ? 0 : static_cast<std::size_t>(node.op->alias[static_cast<std::size_t>(value.output)])];
}

// Places buffers one after the other, largest first, each at the lowest offset where no live neighbour is in the way.
std::int64_t place(std::vector<Buffer>& buffers) {
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  std::vector<const Buffer*> placed;  // by offset
  std::int64_t top = 0;
  for (std::size_t index : order) {
    Buffer& buffer = buffers[index];
    std::int64_t offset = 0;
    for (const Buffer* other : placed) {
      if (other->last_step < buffer.first_step || other->first_step > buffer.last_step) continue;
      if (other->offset >= offset + buffer.bytes) break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer.offset = offset;
    top = std::max(top, offset + buffer.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer, [](auto* a, auto* b) { return a->offset < b->offset; }), &buffer);
  }
  return top;
}

std::int64_t aligned(std::int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

MemoryPlan plan_memory(const Graph& graph, const std::vector<std::int64_t>& workspace_bytes) {
  MemoryPlan plan;
  plan.storage.resize(graph.values().size());
  std::vector<int> buffer_of(graph.values().size(), -1);  // by root value
  auto touch = [&](ValueId id, int step) {
    int buffer = buffer_of[static_cast<std::size_t>(plan.storage[static_cast<std::size_t>(id.index)].root.index)];
    if (buffer >= 0) plan.buffers[static_cast<std::size_t>(buffer)].last_step = std::max(plan.buffers[static_cast<std::size_t>(buffer)].last_step, step);
  };
  // Inputs and weights may stand anywhere in the value list; they are their own roots.
  for (std::size_t v = 0; v < graph.values().size(); ++v)
    if (graph.values()[v].kind != ValueKind::result) plan.storage[v].root = {static_cast<int>(v)};
  plan.workspace_offset.assign(graph.nodes().size(), -1);
  std::vector<int> workspace_buffer(graph.nodes().size(), -1);
  for (int step = 0; step < static_cast<int>(graph.nodes().size()); ++step) {
    const Node& node = graph.node(step);
    for (ValueId output : node.outputs) {
      const Value& value = graph.value(output);
      auto v = static_cast<std::size_t>(output.index);
      if (!has_own_storage(graph, value)) {
        plan.storage[v].root = plan.storage[static_cast<std::size_t>(parent_of(graph, value).index)].root;
        continue;
      }
      plan.storage[v].root = output;
      buffer_of[v] = static_cast<int>(plan.buffers.size());
      plan.buffers.push_back({value.name, 0, aligned(graph.largest_bytes(value.type)), step, step});
    }
    for (ValueId input : node.inputs) touch(input, step);
    if (std::int64_t bytes = workspace_bytes[static_cast<std::size_t>(step)]; bytes > 0) {
      workspace_buffer[static_cast<std::size_t>(step)] = static_cast<int>(plan.buffers.size());
      plan.buffers.push_back({node.name + ".workspace", 0, aligned(bytes), step, step});
    }
  }
  for (const GraphOutput& output : graph.outputs()) touch(output.value, static_cast<int>(graph.nodes().size()));
  plan.arena_bytes = place(plan.buffers);
  for (const Buffer& buffer : plan.buffers) plan.unshared_bytes += buffer.bytes;
  for (std::size_t v = 0; v < graph.values().size(); ++v)
    if (buffer_of[v] >= 0) plan.storage[v].offset = plan.buffers[static_cast<std::size_t>(buffer_of[v])].offset;
  for (std::size_t n = 0; n < graph.nodes().size(); ++n)
    if (workspace_buffer[n] >= 0) plan.workspace_offset[n] = plan.buffers[static_cast<std::size_t>(workspace_buffer[n])].offset;
  return plan;
}

}  // namespace cairn
