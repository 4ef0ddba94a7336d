// What an operator is: one table entry with its schema, reference, kernels and rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "backends/cpu/isa.h"
#include "ops/core/attributes.h"
#include "ops/core/cost.h"
#include "tensor/shape.h"
#include "tensor/view.h"

namespace cairn {

/// A member of the team that runs a step; all members call Kernel::run with the same views.
struct Worker {
  int index = 0;
  int count = 1;
};

/// The part of [0, total) that falls to a worker, cut at multiples of `grain`.
struct Range {
  std::int64_t begin = 0, end = 0;
};
Range share(std::int64_t total, Worker worker, std::int64_t grain = 1);

/// A kernel bound to dtypes, layouts, attributes and an instruction set. Immutable: many plans may run it at once.
class Kernel {
 public:
  virtual ~Kernel() = default;
  /// Phases that the team runs one after the other with a barrier in between.
  virtual int phases() const { return 1; }
  /// Bytes of memory shared by all workers and phases of one run, for views of these (largest) shapes.
  virtual std::int64_t workspace_bytes(std::span<const TensorView> /*inputs*/, int /*workers*/) const { return 0; }
  /// This worker's share of one phase. `workspace` is 64-byte aligned, its contents undefined at phase 0.
  virtual void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int phase,
                   Worker worker) const noexcept = 0;
};

struct InferContext {
  std::span<const ValueType> inputs;
  const Attributes& attributes;
};

struct PrepareContext {
  std::span<const ValueType> inputs, outputs;
  const Attributes& attributes;
  Isa isa;
};

class GraphBuilder;   // what gradient rules emit nodes into (the differentiate pass)
class ShardContext;   // what sharding rules read and answer (the shard pass)

/// An operator of the library. Entries are constant tables; adding one touches no other operator.
struct Operator {
  std::string_view name;  // ONNX-like: "RmsNorm"
  std::string_view doc;   // one line: inputs -> outputs with shapes
  /// Types of the outputs. Throws invalid_argument naming the input and what was expected.
  std::vector<ValueType> (*infer)(const InferContext&) = nullptr;
  /// The fast kernel for these types. Throws unsupported naming the dtype. Null for pure views.
  std::unique_ptr<Kernel> (*prepare)(const PrepareContext&) = nullptr;
  /// The formula, slow and plain, on whole tensors; f32 arithmetic. Null for pure views.
  void (*reference)(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) = nullptr;
  /// The least work of one run on these views, whose data may be read; null: bytes_of.
  Cost (*cost)(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) = nullptr;
  /// Inputs from 1 on that are weights [N, K] are read packed, and input 0 as the dtype that their kernels take.
  bool packs_weights = false;
  /// Takes an attribute "dtype" and then writes output 0, [T, K], as QuantizeActivation of that dtype would; bit for bit.
  bool converts = false;
  /// For operators that move no data: output `index` as a view of input 0.
  TensorView (*view)(const TensorView& input, int index, const Attributes&) = nullptr;
  /// alias[i] = j: output i is input j, updated in place (the KV cache). -1 or beyond the end: fresh storage.
  std::span<const int> alias = {};
  /// Rules that later passes use; null means that the operator is not differentiable / not shardable yet.
  void (*gradient)(GraphBuilder&) = nullptr;
  void (*shard)(ShardContext&) = nullptr;
};

/// Looks operators up by name; an object, so that a process may have several sets.
class OperatorRegistry {
 public:
  explicit OperatorRegistry(std::vector<const Operator*> operators) : operators_(std::move(operators)) {}
  /// Throws not_found naming the nearest operator.
  const Operator& find(std::string_view name) const;
  std::span<const Operator* const> all() const { return operators_; }

 private:
  std::vector<const Operator*> operators_;
};

/// Schema helpers for infer functions; all throw invalid_argument with the operator's name.
void expect_inputs(std::string_view op, const InferContext& context, std::size_t least, std::size_t most);
void expect_rank(std::string_view op, const InferContext& context, std::size_t input, std::size_t rank);
void expect_dtype(std::string_view op, const InferContext& context, std::size_t input, std::initializer_list<DType> accepted);
void expect_same_dim(std::string_view op, const Dim& a, const Dim& b, std::string_view what);
std::string to_string(const ValueType& type);

}  // namespace cairn
