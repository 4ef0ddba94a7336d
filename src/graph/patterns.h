// What several passes look for.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace cairn {

/// A MatMul of one weight and no epilogue.
bool is_plain_matmul(const Node& node);
/// The plain MatMul that makes `value` for one reader alone, or null; `uses` are count_uses(graph).
const Node* lone_matmul(const Graph& graph, const std::vector<int>& uses, ValueId value);
/// "layers.0.attn.q_proj" and "…k_proj" become "layers.0.attn.q_proj+k_proj".
std::string merged_name(const std::vector<const Node*>& nodes);

}  // namespace cairn
