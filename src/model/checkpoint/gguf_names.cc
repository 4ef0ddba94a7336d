// GGUF's tensor names and Hugging Face's. Source: the GGUF specification, "Standardized tensor names".
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "model/checkpoint/readers.h"

namespace cairn {
namespace {

using Names = std::pair<std::string_view, std::string_view>;

constexpr std::array<Names, 3> kModelNames = {{
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
}};

// Between "blk.N." and ".weight" or ".bias".
constexpr std::array<Names, 11> kLayerNames = {{
    {"attn_norm", "input_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
}};

}  // namespace

std::string hugging_face_name(const std::string& gguf_name) {
  for (auto [gguf, hugging_face] : kModelNames)
    if (gguf_name == gguf) return std::string(hugging_face);
  constexpr std::string_view prefix = "blk.";
  if (!gguf_name.starts_with(prefix)) return gguf_name;
  std::string_view rest = std::string_view(gguf_name).substr(prefix.size());
  std::size_t layer_end = rest.find('.'), kind = rest.rfind('.');
  if (layer_end == std::string_view::npos || kind == layer_end) return gguf_name;
  std::string_view part = rest.substr(layer_end + 1, kind - layer_end - 1);
  for (auto [gguf, hugging_face] : kLayerNames)
    if (part == gguf)
      return fmt::format("model.layers.{}.{}{}", rest.substr(0, layer_end), hugging_face, rest.substr(kind));
  return gguf_name;
}

}  // namespace cairn
