#include "graph/graph.h"

#include "base/error.h"

namespace cairn {

ValueId Graph::add_value(Value value) {
  values_.push_back(std::move(value));
  return {static_cast<int>(values_.size()) - 1};
}

Dim Graph::add_symbol(std::string name, std::int64_t largest) {
  symbols_.push_back({std::move(name), largest});
  return Dim::of_symbol(static_cast<int>(symbols_.size()) - 1);
}

ValueId Graph::add_input(std::string name, ValueType type) {
  ValueId id = add_value({std::move(name), std::move(type), ValueKind::input, -1, 0, {}});
  inputs_.push_back(id);
  return id;
}

ValueId Graph::add_weight(std::string name, const TensorView& stored, Layout layout) {
  ValueType type{stored.dtype, SymShape(stored.shape.dims().begin(), stored.shape.dims().end()), layout};
  return add_value({std::move(name), std::move(type), ValueKind::weight, -1, 0, stored});
}

std::vector<ValueId> Graph::add(const Operator& op, std::string name, std::vector<ValueId> inputs, Attributes attributes) {
  std::vector<ValueType> types;
  for (ValueId input : inputs) types.push_back(value(input).type);
  std::vector<ValueType> results;
  try {
    results = op.infer({types, attributes});
  } catch (const Error& error) {
    std::string list;
    for (ValueId input : inputs) list += fmt::format("{}{} {}", list.empty() ? "" : ", ", value(input).name, to_string(value(input).type));
    fail(error.kind(), "node '{}': {} (inputs: {})", name, error.what(), list);
  }
  std::vector<ValueId> outputs;
  int node = static_cast<int>(nodes_.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    std::string output = results.size() > 1 ? fmt::format("{}.{}", name, i) : name;
    outputs.push_back(add_value({std::move(output), std::move(results[i]), ValueKind::result, node, static_cast<int>(i), {}}));
  }
  nodes_.push_back({&op, std::move(name), std::move(inputs), outputs, std::move(attributes)});
  return outputs;
}

ValueId Graph::add1(const Operator& op, std::string name, std::vector<ValueId> inputs, Attributes attributes) {
  std::vector<ValueId> outputs = add(op, std::move(name), std::move(inputs), std::move(attributes));
  if (outputs.size() != 1) fail(ErrorKind::internal, "{} has {} outputs, expected one", op.name, outputs.size());
  return outputs[0];
}

void Graph::add_output(std::string name, ValueId value) { outputs_.push_back({std::move(name), value}); }

Shape Graph::largest_shape(const SymShape& shape) const {
  std::vector<std::int64_t> dims;
  for (const Dim& dim : shape) dims.push_back(dim.is_symbol() ? symbols_[static_cast<std::size_t>(dim.symbol)].largest : dim.value);
  return Shape(dims);
}

std::int64_t Graph::largest_bytes(const ValueType& type) const { return byte_size(type.dtype, largest_shape(type.shape)); }

Rewrite::Rewrite(const Graph& from) : from_(&from), to_(from.name()), map_(from.values().size()) {
  for (const Symbol& symbol : from.symbols()) to_.add_symbol(symbol.name, symbol.largest);
  for (ValueId id : from.inputs()) set(id, to_.add_input(from.value(id).name, from.value(id).type));
  for (std::size_t i = 0; i < from.values().size(); ++i) {
    const Value& value = from.values()[i];
    if (value.kind == ValueKind::weight)
      set({static_cast<int>(i)}, to_.add_weight(value.name, value.stored, value.type.layout));
  }
}

ValueId Rewrite::at(ValueId old) const {
  ValueId now = map_[static_cast<std::size_t>(old.index)];
  if (now.index < 0) fail(ErrorKind::internal, "pass uses '{}' before it is made", from_->value(old).name);
  return now;
}

void Rewrite::copy(const Node& node) {
  std::vector<ValueId> inputs;
  for (ValueId input : node.inputs) inputs.push_back(at(input));
  std::vector<ValueId> outputs = to_.add(*node.op, node.name, std::move(inputs), node.attributes);
  for (std::size_t i = 0; i < outputs.size(); ++i) set(node.outputs[i], outputs[i]);
}

Graph Rewrite::finish() {
  for (const GraphOutput& output : from_->outputs()) to_.add_output(output.name, at(output.value));
  // Dead code: walk back from the outputs, then copy what lives.
  std::vector<bool> live(to_.values().size(), false);
  for (const GraphOutput& output : to_.outputs()) live[static_cast<std::size_t>(output.value.index)] = true;
  std::vector<bool> node_live(to_.nodes().size(), false);
  for (std::size_t n = to_.nodes().size(); n-- > 0;) {
    const Node& node = to_.nodes()[n];
    for (ValueId output : node.outputs) node_live[n] = node_live[n] || live[static_cast<std::size_t>(output.index)];
    if (node_live[n])
      for (ValueId input : node.inputs) live[static_cast<std::size_t>(input.index)] = true;
  }
  Graph result(to_.name());
  std::vector<ValueId> moved(to_.values().size());
  for (const Symbol& symbol : to_.symbols()) result.add_symbol(symbol.name, symbol.largest);
  for (std::size_t i = 0; i < to_.values().size(); ++i) {
    const Value& value = to_.values()[i];
    if (value.kind == ValueKind::input) moved[i] = result.add_input(value.name, value.type);
    if (value.kind == ValueKind::weight && live[i]) moved[i] = result.add_weight(value.name, value.stored, value.type.layout);
  }
  for (std::size_t n = 0; n < to_.nodes().size(); ++n) {
    if (!node_live[n]) continue;
    const Node& node = to_.nodes()[n];
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) inputs.push_back(moved[static_cast<std::size_t>(input.index)]);
    std::vector<ValueId> outputs = result.add(*node.op, node.name, std::move(inputs), node.attributes);
    for (std::size_t i = 0; i < outputs.size(); ++i) moved[static_cast<std::size_t>(node.outputs[i].index)] = outputs[i];
  }
  for (const GraphOutput& output : to_.outputs()) result.add_output(output.name, moved[static_cast<std::size_t>(output.value.index)]);
  return result;
}

std::vector<int> count_uses(const Graph& graph) {
  std::vector<int> uses(graph.values().size(), 0);
  for (const Node& node : graph.nodes())
    for (ValueId input : node.inputs) ++uses[static_cast<std::size_t>(input.index)];
  for (const GraphOutput& output : graph.outputs()) ++uses[static_cast<std::size_t>(output.value.index)];
  return uses;
}

}  // namespace cairn
