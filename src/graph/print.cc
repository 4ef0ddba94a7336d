#include "graph/print.h"

#include "base/error.h"

namespace cairn {
namespace {

std::string type_text(const Graph& graph, const ValueType& type) {
  std::string text(name(type.dtype));
  text += '[';
  for (std::size_t i = 0; i < type.shape.size(); ++i) {
    const Dim& dim = type.shape[i];
    if (i) text += ", ";
    text += dim.is_symbol() ? graph.symbols()[static_cast<std::size_t>(dim.symbol)].name : std::to_string(dim.value);
  }
  return text + (type.layout == Layout::panel16 ? "]:panel16" : "]");
}

}  // namespace

std::string to_text(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", graph.name());
  for (const Symbol& symbol : graph.symbols()) text += fmt::format("  symbol {} <= {}\n", symbol.name, symbol.largest);
  for (const Value& value : graph.values())
    if (value.kind != ValueKind::result)
      text += fmt::format("  {} {} : {}\n", value.kind == ValueKind::input ? "input " : "weight", value.name, type_text(graph, value.type));
  for (const Node& node : graph.nodes()) {
    std::string outputs, inputs;
    for (ValueId id : node.outputs)
      outputs += fmt::format("{}%{} : {}", outputs.empty() ? "" : ", ", graph.value(id).name, type_text(graph, graph.value(id).type));
    for (ValueId id : node.inputs) inputs += fmt::format("{}%{}", inputs.empty() ? "" : ", ", graph.value(id).name);
    std::string attributes = to_string(node.attributes);
    text += fmt::format("  {} = {}({}){}\n", outputs, node.op->name, inputs, attributes.empty() ? "" : " {" + attributes + "}");
  }
  for (const GraphOutput& output : graph.outputs()) text += fmt::format("  output {} = %{}\n", output.name, graph.value(output.value).name);
  return text;
}

}  // namespace cairn
