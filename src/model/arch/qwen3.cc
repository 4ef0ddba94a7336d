// Qwen3, dense (Qwen team 2025): Llama's block with RMSNorm over each head of q and k before the rotation.
#include "base/error.h"
#include "model/arch/decoder.h"

namespace cairn {

Graph build_qwen3(const Checkpoint& checkpoint, const OperatorRegistry& operators, const ModelGraphOptions& options) {
  DecoderBuilder model(checkpoint, operators, options);
  const ModelConfig& config = model.config();
  ValueId x = model.embed();
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = fmt::format("layers.{}.", layer), attn = prefix + "self_attn.", mlp = prefix + "mlp.";
    auto project = [&](ValueId in, const std::string& name) {
      return model.linear(in, name, config.attention_bias ? name + ".bias" : std::string());
    };

    ValueId h = model.norm(x, prefix + "input_layernorm");
    ValueId q = model.norm(model.heads(project(h, attn + "q_proj"), config.num_attention_heads, attn + "q"), attn + "q_norm");
    ValueId k = model.norm(model.heads(project(h, attn + "k_proj"), config.num_key_value_heads, attn + "k"), attn + "k_norm");
    ValueId v = model.heads(project(h, attn + "v_proj"), config.num_key_value_heads, attn + "v");
    ValueId a = model.attention(model.rotary(q, attn + "q"), model.rotary(k, attn + "k"), v, layer, attn + "attention");
    x = model.add(project(a, attn + "o_proj"), x, attn + "residual");

    h = model.norm(x, prefix + "post_attention_layernorm");
    ValueId gate = model.linear(h, mlp + "gate_proj"), up = model.linear(h, mlp + "up_proj");
    x = model.add(model.linear(model.swiglu(gate, up, mlp + "swiglu"), mlp + "down_proj"), x, mlp + "residual");
  }
  return model.finish(x);
}

}  // namespace cairn
