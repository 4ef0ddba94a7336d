#include "graph/passes.h"
#include "graph/patterns.h"

namespace cairn {

Graph fuse_swiglu(const Graph& graph, const PassContext& context) {
  Rewrite rewrite(graph);
  const Operator& fused = context.operators.find("MatMulSwiGlu");
  const std::vector<int> uses = count_uses(graph);
  for (const Node& node : graph.nodes()) {
    const bool swiglu = node.op->name == "SwiGlu";
    const Node* gate = swiglu ? lone_matmul(graph, uses, node.inputs[0]) : nullptr;
    const Node* up = swiglu ? lone_matmul(graph, uses, node.inputs[1]) : nullptr;
    if (!gate || !up || gate->inputs[0] != up->inputs[0] ||
        activation_of(graph, *gate, context) != activation_of(graph, *up, context)) {
      rewrite.copy(node);
      continue;
    }
    rewrite.set(node.outputs[0], rewrite.to().add1(fused, merged_name({gate, up}),
                                                   {rewrite.at(gate->inputs[0]), rewrite.at(gate->inputs[1]),
                                                    rewrite.at(up->inputs[1])}));
  }
  return rewrite.finish();
}

}  // namespace cairn
