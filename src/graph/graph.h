// The one graph: named operators over typed values in SSA form, with symbolic dimensions.
//
// Nodes are kept in an order in which they can run (a node's inputs exist before it), because they can only be added
// that way. Passes are functions from graph to graph: they walk the nodes and add to a new graph.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/core/operator.h"

namespace cairn {

/// Index of a value in its graph.
struct ValueId {
  int index = -1;
  bool operator==(const ValueId&) const = default;
};

enum class ValueKind : std::uint8_t {
  input,   // given at each run
  weight,  // constant data, from a checkpoint
  result,  // an output of a node
};

struct Value {
  std::string name;
  ValueType type;
  ValueKind kind = ValueKind::result;
  int producer = -1;  // node index, for results
  int output = 0;     // which output of the producer
  // Weights only: the data as stored, row-major; its pages may be dropped once the weight is packed.
  TensorView stored;
};

struct Node {
  const Operator* op = nullptr;
  std::string name;  // where it stands in the model: "layers.3.attn.qkv"
  std::vector<ValueId> inputs, outputs;
  Attributes attributes;
};

/// A named dimension that is read at each run, and its largest value (for memory planning).
struct Symbol {
  std::string name;
  std::int64_t largest = 0;
};

struct GraphOutput {
  std::string name;
  ValueId value;
};

class Graph {
 public:
  explicit Graph(std::string name = {}) : name_(std::move(name)) {}

  /// Declares a symbol and returns a dimension that stands for it.
  Dim add_symbol(std::string name, std::int64_t largest);
  ValueId add_input(std::string name, ValueType type);
  /// A constant whose data stays where `stored` points (a mapped file).
  ValueId add_weight(std::string name, const TensorView& stored, Layout layout = Layout::strided);
  /// Adds a node; infers the outputs' types. Errors name the node.
  std::vector<ValueId> add(const Operator& op, std::string name, std::vector<ValueId> inputs, Attributes attributes = {});
  /// The same for an operator with one output.
  ValueId add1(const Operator& op, std::string name, std::vector<ValueId> inputs, Attributes attributes = {});
  void add_output(std::string name, ValueId value);

  const std::string& name() const { return name_; }
  std::span<const Value> values() const { return values_; }
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const Symbol> symbols() const { return symbols_; }
  std::span<const ValueId> inputs() const { return inputs_; }
  std::span<const GraphOutput> outputs() const { return outputs_; }
  const Value& value(ValueId id) const { return values_[static_cast<std::size_t>(id.index)]; }
  const Node& node(int index) const { return nodes_[static_cast<std::size_t>(index)]; }
  /// Bytes of a contiguous value when every symbol has its largest value.
  std::int64_t largest_bytes(const ValueType& type) const;
  Shape largest_shape(const SymShape& shape) const;

 private:
  ValueId add_value(Value value);

  std::string name_;
  std::vector<Symbol> symbols_;
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<ValueId> inputs_;
  std::vector<GraphOutput> outputs_;
};

/// For passes: a new graph being made from an old one, and where each old value went.
class Rewrite {
 public:
  explicit Rewrite(const Graph& from);

  const Graph& from() const { return *from_; }
  Graph& to() { return to_; }
  /// The new value that stands for an old one; internal error when it has none yet.
  ValueId at(ValueId old) const;
  void set(ValueId old, ValueId now) { map_[static_cast<std::size_t>(old.index)] = now; }
  /// Copies a node as it is.
  void copy(const Node& node);
  /// Ends the pass: copies the outputs and drops nodes and weights that nothing uses.
  Graph finish();

 private:
  const Graph* from_;
  Graph to_;
  std::vector<ValueId> map_;
};

/// How many nodes and graph outputs use each value.
std::vector<int> count_uses(const Graph& graph);

}  // namespace cairn
