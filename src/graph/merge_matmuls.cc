#include <algorithm>
#include <set>

#include "graph/passes.h"
#include "ops/matmul/matmul.h"

namespace cairn {
namespace {

// A MatMul of one weight and no epilogue: what merging takes.
bool is_plain_matmul(const Node& node) {
  return node.op->name == "MatMul" && node.inputs.size() == 2 && node.attributes.entries().empty();
}

// "layers.0.attn.q_proj" and "…k_proj" become "layers.0.attn.q_proj+k_proj".
std::string merged_name(const std::vector<const Node*>& nodes) {
  std::string name = nodes[0]->name;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    std::size_t dot = nodes[i]->name.rfind('.');
    name += "+" + (dot == std::string::npos ? nodes[i]->name : nodes[i]->name.substr(dot + 1));
  }
  return name;
}

}  // namespace

Graph merge_matmuls(const Graph& graph, const PassContext& context) {
  Rewrite rewrite(graph);
  const Operator& split = context.operators.find("Split");
  std::set<const Node*> done;
  for (const Node& node : graph.nodes()) {
    if (done.contains(&node)) continue;
    std::vector<const Node*> group;
    if (is_plain_matmul(node)) {
      DType activation = activation_dtype(graph.value(node.inputs[1]).type.dtype, context.isa, context.precise_activations);
      for (const Node& other : graph.nodes()) {
        if (is_plain_matmul(other) && other.inputs[0] == node.inputs[0] &&
            activation_dtype(graph.value(other.inputs[1]).type.dtype, context.isa, context.precise_activations) == activation)
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
