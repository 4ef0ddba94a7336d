#include <optional>

#include "graph/passes.h"

namespace cairn {
namespace {

// What makes the q or k that attention sees: a rotation, and perhaps a norm of each head before it.
struct Chain {
  const Node* norm = nullptr;
  const Node* rotary = nullptr;
  ValueId input() const { return norm ? norm->inputs[0] : rotary->inputs[0]; }
};

class Matcher {
 public:
  explicit Matcher(const Graph& graph) : graph_(graph), uses_(count_uses(graph)) {}

  // The node of operator `op` that makes `value` for one reader alone, or null.
  const Node* lone_producer(ValueId value, std::string_view op) const {
    const int producer = graph_.value(value).producer;
    if (producer < 0 || uses_[static_cast<std::size_t>(value.index)] != 1) return nullptr;
    const Node& node = graph_.node(producer);
    return node.op->name == op ? &node : nullptr;
  }

  Chain chain(ValueId value) const {
    Chain chain;
    chain.rotary = lone_producer(value, "RotaryEmbedding");
    if (chain.rotary) chain.norm = lone_producer(chain.rotary->inputs[0], "RmsNorm");
    return chain;
  }

  // The q that attention over the written caches reads, when one node alone reads both.
  std::optional<ValueId> query(const Node& write) const {
    for (ValueId cache : write.outputs)
      if (uses_[static_cast<std::size_t>(cache.index)] != 1) return std::nullopt;
    for (const Node& node : graph_.nodes())
      if (node.op->name == "PagedAttention" && node.inputs[1] == write.outputs[0] && node.inputs[2] == write.outputs[1])
        return node.inputs[0];
    return std::nullopt;
  }

  // Rotated alike, from positions that are known when the caches are written.
  bool alike(const Chain& q, const Chain& k, const Node& write) const {
    if (!q.rotary || !k.rotary || &write < q.rotary) return false;
    if (q.rotary->attributes != k.rotary->attributes || q.rotary->inputs.size() != k.rotary->inputs.size())
      return false;
    for (std::size_t i = 1; i < q.rotary->inputs.size(); ++i)
      if (q.rotary->inputs[i] != k.rotary->inputs[i]) return false;
    return !q.norm == !k.norm && (!q.norm || q.norm->attributes == k.norm->attributes);
  }

 private:
  const Graph& graph_;
  std::vector<int> uses_;
};

}  // namespace

Graph fuse_rotary_write_kv(const Graph& graph, const PassContext& context) {
  Rewrite rewrite(graph);
  const Operator& fused = context.operators.find("RotaryWriteKv");
  const Matcher matcher(graph);
  for (const Node& node : graph.nodes()) {
    const std::optional<ValueId> query = node.op->name == "WriteKv" ? matcher.query(node) : std::nullopt;
    const Chain q = query ? matcher.chain(*query) : Chain{}, k = query ? matcher.chain(node.inputs[0]) : Chain{};
    if (!query || !matcher.alike(q, k, node)) {
      rewrite.copy(node);
      continue;
    }
    // v, the caches, slot_mapping; then positions and rope_freqs.
    std::vector<ValueId> inputs = {rewrite.at(q.input()), rewrite.at(k.input())};
    for (std::size_t i = 1; i < node.inputs.size(); ++i) inputs.push_back(rewrite.at(node.inputs[i]));
    for (std::size_t i = 1; i < q.rotary->inputs.size(); ++i) inputs.push_back(rewrite.at(q.rotary->inputs[i]));
    Attributes attributes = q.rotary->attributes;
    if (q.rotary->inputs.size() > 2) attributes.set("rope_freqs", std::int64_t{1});
    if (q.norm) {
      attributes.set("eps", q.norm->attributes.get<double>("eps"));
      for (const Chain& chain : {q, k}) inputs.push_back(rewrite.at(chain.norm->inputs[1]));
    }
    const std::vector<ValueId> outputs = rewrite.to().add(fused, node.name, std::move(inputs), std::move(attributes));
    rewrite.set(*query, outputs[0]);
    for (std::size_t i = 0; i < 2; ++i) rewrite.set(node.outputs[i], outputs[i + 1]);
  }
  return rewrite.finish();
}

}  // namespace cairn
