#include <set>

#include "graph/passes.h"

namespace cairn {

Graph fuse_add_rms_norm(const Graph& graph, const PassContext& context) {
  Rewrite rewrite(graph);
  const Operator& fused = context.operators.find("AddRmsNorm");
  // The first RmsNorm of each sum; a second one would keep its own node.
  std::vector<const Node*> norm_of(graph.values().size(), nullptr);
  for (const Node& node : graph.nodes())
    if (node.op->name == "RmsNorm" && !norm_of[static_cast<std::size_t>(node.inputs[0].index)])
      norm_of[static_cast<std::size_t>(node.inputs[0].index)] = &node;
  auto same_shape = [&](const Node& add) {
    return graph.value(add.inputs[0]).type.shape == graph.value(add.inputs[1]).type.shape;
  };
  std::set<const Node*> done;
  for (const Node& node : graph.nodes()) {
    if (done.contains(&node)) continue;
    const Node* norm =
        node.op->name == "Add" && same_shape(node) ? norm_of[static_cast<std::size_t>(node.outputs[0].index)] : nullptr;
    if (!norm) {
      rewrite.copy(node);
      continue;
    }
    std::vector<ValueId> outputs = rewrite.to().add(
        fused, norm->name, {rewrite.at(node.inputs[0]), rewrite.at(node.inputs[1]), rewrite.at(norm->inputs[1])},
        norm->attributes);
    rewrite.set(norm->outputs[0], outputs[0]);
    rewrite.set(node.outputs[0], outputs[1]);
    done.insert(norm);
  }
  return rewrite.finish();
}

}  // namespace cairn
