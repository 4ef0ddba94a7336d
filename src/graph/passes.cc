#include "graph/passes.h"

#include <array>

namespace cairn {

std::span<const Pass> serving_passes() {
  static constexpr std::array passes = {
      Pass{"fuse_swiglu", "gate and up are multiplied and joined in one step", fuse_swiglu},
      Pass{"merge_matmuls", "one MatMul for all weights that read the same input", merge_matmuls},
      Pass{"fuse_residual", "MatMul adds the residual to its output", fuse_residual},
      Pass{"fuse_add_rms_norm", "residual add and norm in one step", fuse_add_rms_norm},
      Pass{"fuse_rotary_write_kv", "q and k normed, rotated and written to the cache in one step", fuse_rotary_write_kv},
      Pass{"prepack", "packed weights and the activation dtype that their kernels read", prepack},
      Pass{"fuse_convert", "norms and activations write what the MatMul after them reads", fuse_convert},
  };
  return passes;
}

Graph run_passes(Graph graph, const PassContext& context, const std::function<void(const Pass&, const Graph&)>& after) {
  for (const Pass& pass : serving_passes()) {
    graph = pass.run(graph, context);
    if (after) after(pass, graph);
  }
  return graph;
}

}  // namespace cairn
