// What several passes look for.
#pragma once

#include <string>
#include <vector>

#include "graph/passes.h"

namespace cairn {

/// A MatMul of one weight and no epilogue.
bool is_plain_matmul(const Node& node);
/// The plain MatMul that makes `value` for one reader alone, or null; `uses` are count_uses(graph).
const Node* lone_matmul(const Graph& graph, const std::vector<int>& uses, ValueId value);
/// A weight that may be packed: [N, K].
bool is_weight_matrix(const Value& value);
/// What the kernels of a node that multiplies with weights (Operator::packs_weights) read as its input 0.
DType activation_of(const Graph& graph, const Node& node, const PassContext& context);
/// "layers.0.attn.q_proj" and "…k_proj" become "layers.0.attn.q_proj+k_proj".
std::string merged_name(const std::vector<const Node*>& nodes);

}  // namespace cairn
