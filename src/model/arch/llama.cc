// Llama (Touvron et al. 2023; Llama 3 adds scaled rotary frequencies) and the models that share its graph (SmolLM2, Mistral).
#include "base/error.h"
#include "model/arch/decoder.h"

namespace cairn {

Graph build_llama(const Checkpoint& checkpoint, const OperatorRegistry& operators, const ModelGraphOptions& options) {
  DecoderBuilder model(checkpoint, operators, options);
  const ModelConfig& config = model.config();
  auto bias = [](bool has, const std::string& name) { return has ? name + ".bias" : std::string(); };
  ValueId x = model.embed();
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string prefix = fmt::format("layers.{}.", layer), attn = prefix + "self_attn.", mlp = prefix + "mlp.";
    auto project = [&](ValueId in, const std::string& name, bool has_bias) { return model.linear(in, name, bias(has_bias, name)); };

    ValueId h = model.norm(x, prefix + "input_layernorm");
    ValueId q = model.heads(project(h, attn + "q_proj", config.attention_bias), config.num_attention_heads, attn + "q");
    ValueId k = model.heads(project(h, attn + "k_proj", config.attention_bias), config.num_key_value_heads, attn + "k");
    ValueId v = model.heads(project(h, attn + "v_proj", config.attention_bias), config.num_key_value_heads, attn + "v");
    ValueId a = model.attention(model.rotary(q, attn + "q"), model.rotary(k, attn + "k"), v, layer, attn + "attention");
    x = model.add(project(a, attn + "o_proj", config.attention_bias), x, attn + "residual");

    h = model.norm(x, prefix + "post_attention_layernorm");
    ValueId gate = project(h, mlp + "gate_proj", config.mlp_bias);
    ValueId up = project(h, mlp + "up_proj", config.mlp_bias);
    x = model.add(project(model.swiglu(gate, up, mlp + "swiglu"), mlp + "down_proj", config.mlp_bias), x, mlp + "residual");
  }
  return model.finish(x);
}

}  // namespace cairn
