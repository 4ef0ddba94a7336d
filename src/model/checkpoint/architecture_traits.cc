#include "model/checkpoint/architecture_traits.h"

#include <array>
#include <string>

#include "base/error.h"

namespace cairn {

const ArchitectureTraits& architecture_traits(std::string_view name) {
  static constexpr std::array<ArchitectureTraits, 3> table = {{
      {.name = "llama",
       .gguf_interleaved_rope = true,
       .qk_norm = false,
       .mlp_bias = true,
       .default_head_dim = 0,
       .default_window = 0,
       .max_window_layers = -1},
      {.name = "qwen3",
       .gguf_interleaved_rope = false,
       .qk_norm = true,
       .mlp_bias = false,
       .default_head_dim = 128,
       .default_window = 4096,
       .max_window_layers = 28},
      {.name = "mistral",
       .gguf_interleaved_rope = true,
       .qk_norm = false,
       .mlp_bias = false,
       .default_head_dim = 0,
       .default_window = 4096,
       .max_window_layers = -1},
  }};
  std::string known;
  for (const ArchitectureTraits& traits : table) {
    if (traits.name == name) return traits;
    known += (known.empty() ? "" : ", ") + std::string(traits.name);
  }
  fail(ErrorKind::unsupported, "architecture '{}' is not supported; known: {}", name, known);
}

}  // namespace cairn
