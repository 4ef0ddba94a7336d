// Runs a graph by its operators' reference functions: slow, plain, the yardstick for plans and passes.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"
#include "tensor/view.h"

namespace cairn {

/// Outputs of `graph` for `inputs` (in the order of graph.inputs()); weights as stored, so only graphs from before the
/// prepack pass. Inputs that nodes update in place (caches) are changed.
std::vector<Tensor> run_reference(const Graph& graph, std::span<const TensorView> inputs);

}  // namespace cairn
