// The passes: pure functions from graph to graph, in one table in the order in which they run.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "graph/graph.h"

namespace cairn {

struct PassContext {
  const OperatorRegistry& operators;
  Isa isa;
  bool precise_activations = false;  // 16-bit instead of 8-bit beside quantized weights
};

struct Pass {
  std::string_view name;
  std::string_view doc;
  Graph (*run)(const Graph&, const PassContext&);
};

/// MatMuls of the same input for SwiGlu's gate and up alone become MatMulSwiGlu with it.
Graph fuse_swiglu(const Graph& graph, const PassContext& context);
/// Merges MatMuls of the same input (q/k/v) into one whose output is split again.
Graph merge_matmuls(const Graph& graph, const PassContext& context);
/// A MatMul whose output is only added to something of its shape adds it itself.
Graph fuse_residual(const Graph& graph, const PassContext& context);
/// Add followed by RmsNorm of the sum becomes AddRmsNorm, where no MatMul took the Add.
Graph fuse_add_rms_norm(const Graph& graph, const PassContext& context);
/// Rotations of q and k, norms of their heads before them, and WriteKv become RotaryWriteKv.
Graph fuse_rotary_write_kv(const Graph& graph, const PassContext& context);
/// Chooses the packed layout of weights that are read packed (Operator::packs_weights) and inserts the conversion of its input to what the kernel reads; lets
/// attention round as bf16 products do, unless activations are to be precise.
Graph prepack(const Graph& graph, const PassContext& context);
/// A conversion that is its input's only reader becomes the producer's attribute "dtype", where the producer can convert.
Graph fuse_convert(const Graph& graph, const PassContext& context);

/// All passes of serving, in order.
std::span<const Pass> serving_passes();
/// Runs them; `after` (optional) sees the graph after each.
Graph run_passes(Graph graph, const PassContext& context,
                 const std::function<void(const Pass&, const Graph&)>& after = nullptr);

}  // namespace cairn
