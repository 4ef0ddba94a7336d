#include "graph/reference_run.h"

#include <cstring>

#include "base/error.h"

namespace cairn {

std::vector<Tensor> run_reference(const Graph& graph, std::span<const TensorView> inputs) {
  std::vector<TensorView> views(graph.values().size());
  std::vector<Tensor> owned;
  std::vector<std::int64_t> symbols(graph.symbols().size(), 0);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Value& value = graph.value(graph.inputs()[i]);
    views[static_cast<std::size_t>(graph.inputs()[i].index)] = inputs[i];
    for (std::size_t d = 0; d < value.type.shape.size(); ++d)
      if (value.type.shape[d].is_symbol()) symbols[static_cast<std::size_t>(value.type.shape[d].symbol)] = inputs[i].dim(static_cast<int>(d));
  }
  for (std::size_t v = 0; v < views.size(); ++v)
    if (graph.values()[v].kind == ValueKind::weight) views[v] = graph.values()[v].stored;
  for (const Node& node : graph.nodes()) {
    std::vector<TensorView> in, out;
    for (ValueId id : node.inputs) in.push_back(views[static_cast<std::size_t>(id.index)]);
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      const ValueType& type = graph.value(node.outputs[i]).type;
      TensorView& view = views[static_cast<std::size_t>(node.outputs[i].index)];
      if (node.op->view) {
        view = node.op->view(in[0], static_cast<int>(i), node.attributes);
      } else if (i < node.op->alias.size() && node.op->alias[i] >= 0) {
        view = in[static_cast<std::size_t>(node.op->alias[i])];
      } else {
        std::vector<std::int64_t> dims;
        for (const Dim& dim : type.shape) dims.push_back(dim.is_symbol() ? symbols[static_cast<std::size_t>(dim.symbol)] : dim.value);
        owned.emplace_back(type.dtype, Shape(dims));
        view = owned.back().view();
      }
      out.push_back(view);
    }
    if (node.op->view) continue;
    if (!node.op->reference) fail(ErrorKind::unsupported, "node '{}': operator {} has no reference", node.name, node.op->name);
    node.op->reference(in, out, node.attributes);
  }
  std::vector<Tensor> results;
  for (const GraphOutput& output : graph.outputs()) {
    const TensorView& view = views[static_cast<std::size_t>(output.value.index)];
    results.emplace_back(view.dtype, view.shape);
    std::memcpy(results.back().view().data, view.data, static_cast<std::size_t>(byte_size(view.dtype, view.shape)));
  }
  return results;
}

}  // namespace cairn
