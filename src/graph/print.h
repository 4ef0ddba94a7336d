// Graphs as text and as a picture.
#pragma once

#include <string>

#include "graph/graph.h"

namespace cairn {

/// One line a node: `%value : type = Op(inputs) {attributes}`; symbols by name.
std::string to_text(const Graph& graph);

/// A self-contained SVG: nodes top to bottom in levels, weights folded into their node. Long graphs are cut after
/// `max_nodes` nodes, and say so.
std::string to_svg(const Graph& graph, std::size_t max_nodes = 400);

}  // namespace cairn
