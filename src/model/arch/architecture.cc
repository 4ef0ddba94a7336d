#include "model/arch/architecture.h"

#include <array>
#include <string>

#include "base/error.h"
#include "model/arch/decoder.h"
#include "ops/attention/kv_cache.h"

namespace cairn {

std::span<const Architecture> architectures() {
  static constexpr std::array table = {
      Architecture{"llama", build_llama},
      Architecture{"qwen3", build_qwen3},
      Architecture{"mistral", build_llama},
  };
  return table;
}

Graph build_model_graph(const Checkpoint& checkpoint, const OperatorRegistry& operators, const ModelGraphOptions& options) {
  std::string known;
  for (const Architecture& architecture : architectures()) {
    if (architecture.name == checkpoint.config().architecture) return architecture.build(checkpoint, operators, options);
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  fail(ErrorKind::unsupported, "{}: architecture '{}' is not supported; known: {}", checkpoint.path(),
       checkpoint.config().architecture, known);
}

std::int64_t kv_block_bytes(const ModelConfig& config, const ModelGraphOptions& options) {
  return 2 * config.num_hidden_layers *
         byte_size(options.kv_dtype, kv_cache_shape(options.kv_dtype, 1, config.num_key_value_heads, options.block_size,
                                                    config.head_dim));
}

}  // namespace cairn
