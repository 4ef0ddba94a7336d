#include "graph/passes.h"

namespace cairn {

Graph fuse_convert(const Graph& graph, const PassContext&) {
  Rewrite rewrite(graph);
  const std::vector<int> uses = count_uses(graph);
  // By producer: the conversion that it takes over, the only reader of its first output.
  std::vector<const Node*> conversion(graph.nodes().size(), nullptr);
  std::vector<bool> taken(graph.nodes().size(), false);
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (node.op->name != "QuantizeActivation") continue;
    const Value& x = graph.value(node.inputs[0]);
    if (x.producer < 0 || x.output != 0 || uses[static_cast<std::size_t>(node.inputs[0].index)] != 1) continue;
    if (!graph.node(x.producer).op->converts || graph.node(x.producer).attributes.has("dtype")) continue;
    conversion[static_cast<std::size_t>(x.producer)] = &node;
    taken[n] = true;
  }
  for (std::size_t n = 0; n < graph.nodes().size(); ++n) {
    if (taken[n]) continue;
    Node node = graph.nodes()[n];
    if (conversion[n]) node.attributes.set("dtype", conversion[n]->attributes.get<std::string>("dtype"));
    rewrite.copy(node);
    if (conversion[n]) rewrite.set(conversion[n]->outputs[0], rewrite.at(node.outputs[0]));
  }
  return rewrite.finish();
}

}  // namespace cairn
