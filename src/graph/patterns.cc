#include "graph/patterns.h"

#include <algorithm>

#include "ops/matmul/matmul.h"

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

bool is_weight_matrix(const Value& value) {
  return value.kind == ValueKind::weight && value.type.shape.size() == 2;
}

DType activation_of(const Graph& graph, const Node& node, const PassContext& context) {
  const auto weight = std::find_if(node.inputs.begin() + 1, node.inputs.end(),
                                   [&](ValueId id) { return is_weight_matrix(graph.value(id)); });
  const ValueId first = weight == node.inputs.end() ? node.inputs[1] : *weight;
  return activation_dtype(graph.value(first).type.dtype, context.isa, context.precise_activations);
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
