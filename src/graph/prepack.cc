#include <map>

#include "graph/passes.h"
#include "graph/patterns.h"

namespace cairn {

Graph prepack(const Graph& graph, const PassContext& context) {
  Rewrite rewrite(graph);
  const Operator& convert = context.operators.find("QuantizeActivation");
  std::vector<ValueId> packed(graph.values().size());            // old weight -> its packed twin
  std::map<std::pair<int, DType>, ValueId> converted;            // (new value, dtype) -> its conversion
  auto pack = [&](ValueId weight) {
    ValueId& twin = packed[static_cast<std::size_t>(weight.index)];
    if (twin.index < 0) {
      const Value& value = graph.value(weight);
      twin = rewrite.to().add_weight(value.name, value.stored, Layout::panel16);
      rewrite.set(weight, twin);  // every later reader (a tied embedding too) reads the packed data: one copy
    }
    return twin;
  };
  // Packed first, so that readers that come before the MatMul (the embedding) see the packed weight.
  for (const Node& node : graph.nodes()) {
    if (!node.op->packs_weights) continue;
    for (std::size_t i = 1; i < node.inputs.size(); ++i)
      if (is_weight_matrix(graph.value(node.inputs[i]))) pack(node.inputs[i]);
  }
  for (const Node& node : graph.nodes()) {
    if (node.op->name == "PagedAttention" && !context.precise_activations) {
      Node rounded = node;
      rounded.attributes.set("products", std::string("bf16"));
      rewrite.copy(rounded);
      continue;
    }
    if (!node.op->packs_weights) {
      rewrite.copy(node);
      continue;
    }
    DType wanted = activation_of(graph, node, context);
    ValueId input = rewrite.at(node.inputs[0]);
    if (rewrite.to().value(input).type.dtype != wanted) {
      auto [entry, fresh] = converted.try_emplace({input.index, wanted});
      if (fresh)
        entry->second = rewrite.to().add1(convert, rewrite.to().value(input).name + "." + std::string(name(wanted)), {input},
                                          {{"dtype", std::string(name(wanted))}});
      input = entry->second;
    }
    std::vector<ValueId> inputs = {input};
    for (std::size_t i = 1; i < node.inputs.size(); ++i) inputs.push_back(rewrite.at(node.inputs[i]));
    rewrite.set(node.outputs[0], rewrite.to().add1(*node.op, node.name, std::move(inputs), node.attributes));
  }
  return rewrite.finish();
}

}  // namespace cairn
