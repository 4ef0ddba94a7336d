// What the readers know of each architecture; a new one is an entry of the table in architecture_traits.cc.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn {

struct ArchitectureTraits {
  std::string_view name;  // model_type of config.json; general.architecture of GGUF
  // GGUF's converter permutes the rows of q and k, so that rotation pairs are neighbours.
  bool gguf_interleaved_rope;
  bool qk_norm;                   // an RMSNorm over each head of q and k
  bool mlp_bias;                  // honours config.json's mlp_bias
  std::int64_t default_head_dim;  // where config.json has no head_dim; 0: hidden_size / num_attention_heads
  std::int64_t default_window;    // where config.json has no sliding_window; 0: none
  // A window counts only with use_sliding_window, and in the layers from max_window_layers (by default this) on.
  // -1: in all layers unless use_sliding_window is false.
  std::int64_t max_window_layers;
};

/// The entry of `name`; throws unsupported naming those that are known.
const ArchitectureTraits& architecture_traits(std::string_view name);

}  // namespace cairn
