#include "graph/patterns.h"

namespace cairn {

bool is_plain_matmul(const Node& node) {
  return node.op->name == "MatMul" && node.inputs.size() == 2 && node.attributes.entries().empty();
}

const Node* lone_matmul(const Graph& graph, const std::vector<int>& uses, ValueId value) {
  const int producer = graph.value(value).producer;
  if (producer < 0 || uses[static_cast<std::size_t>(value.index)] != 1) return nullptr;
  const Node& node = graph.node(producer);
  return is_plain_matmul(node) ? &node : nullptr;
}

std::string merged_name(const std::vector<const Node*>& nodes) {
  std::string name = nodes[0]->name;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    std::size_t dot = nodes[i]->name.rfind('.');
    name += "+" + (dot == std::string::npos ? nodes[i]->name : nodes[i]->name.substr(dot + 1));
  }
  return name;
}

}  // namespace cairn
