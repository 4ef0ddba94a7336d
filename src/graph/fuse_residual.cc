#include "graph/passes.h"
#include "graph/patterns.h"

namespace cairn {

Graph fuse_residual(const Graph& graph, const PassContext&) {
  Rewrite rewrite(graph);
  const std::vector<int> uses = count_uses(graph);
  for (const Node& node : graph.nodes()) {
    const Node* matmul = nullptr;
    ValueId residual;
    for (std::size_t i = 0; node.op->name == "Add" && !matmul && i < 2; ++i) {
      residual = node.inputs[1 - i];
      const Value& other = graph.value(residual);
      // A constant would be packed as a weight.
      if (other.kind != ValueKind::weight && other.type.shape == graph.value(node.inputs[i]).type.shape)
        matmul = lone_matmul(graph, uses, node.inputs[i]);
    }
    if (!matmul) {
      rewrite.copy(node);
      continue;
    }
    // Where the Add was: the residual may be made after the product.
    rewrite.set(node.outputs[0],
                rewrite.to().add1(*matmul->op, matmul->name,
                                  {rewrite.at(matmul->inputs[0]), rewrite.at(matmul->inputs[1]), rewrite.at(residual)},
                                  {{"residual", std::int64_t{1}}}));
  }
  return rewrite.finish();
}

}  // namespace cairn
