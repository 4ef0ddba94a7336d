#include <algorithm>
#include <set>

#include "graph/passes.h"
#include "graph/patterns.h"

namespace cairn {

Graph merge_matmuls(const Graph& graph, const PassContext& context) {
  Rewrite rewrite(graph);
  const Operator& split = context.operators.find("Split");
  std::set<const Node*> done;
  for (const Node& node : graph.nodes()) {
    if (done.contains(&node)) continue;
    std::vector<const Node*> group;
    if (is_plain_matmul(node)) {
      const DType activation = activation_of(graph, node, context);
      for (const Node& other : graph.nodes()) {
        if (is_plain_matmul(other) && other.inputs[0] == node.inputs[0] &&
            activation_of(graph, other, context) == activation)
          group.push_back(&other);
      }
    }
    if (group.size() < 2) {
      rewrite.copy(node);
      continue;
    }
    std::vector<ValueId> inputs = {rewrite.at(node.inputs[0])};
    std::vector<std::int64_t> sizes;
    for (const Node* member : group) {
      inputs.push_back(rewrite.at(member->inputs[1]));
      sizes.push_back(graph.value(member->outputs[0]).type.shape.back().value);
      done.insert(member);
    }
    std::string name = merged_name(group);
    ValueId merged = rewrite.to().add1(*node.op, name, std::move(inputs));
    std::vector<ValueId> parts = rewrite.to().add(split, name + ".split", {merged}, {{"sizes", sizes}});
    for (std::size_t i = 0; i < group.size(); ++i) rewrite.set(group[i]->outputs[0], parts[i]);
  }
  return rewrite.finish();
}

}  // namespace cairn
