#include <algorithm>
#include <array>
#include <map>

#include "base/error.h"
#include "model/checkpoint/readers.h"

namespace cairn {
namespace {

struct Required {
  std::string name;
  Shape shape;
};

std::vector<Required> required(const ModelConfig& c) {
  const std::int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  std::vector<Required> list = {{"model.embed_tokens.weight", {c.vocab_size, c.hidden_size}}, {"model.norm.weight", {c.hidden_size}}};
  if (!c.tie_word_embeddings) list.push_back({"lm_head.weight", {c.vocab_size, c.hidden_size}});
  for (std::int64_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    auto add = [&](const char* name, Shape shape) { list.push_back({fmt::format("model.layers.{}.{}", layer, name), shape}); };
    add("input_layernorm.weight", {c.hidden_size});
    add("post_attention_layernorm.weight", {c.hidden_size});
    add("self_attn.q_proj.weight", {q, c.hidden_size});
    add("self_attn.k_proj.weight", {kv, c.hidden_size});
    add("self_attn.v_proj.weight", {kv, c.hidden_size});
    add("self_attn.o_proj.weight", {c.hidden_size, q});
    add("mlp.gate_proj.weight", {c.intermediate_size, c.hidden_size});
    add("mlp.up_proj.weight", {c.intermediate_size, c.hidden_size});
    add("mlp.down_proj.weight", {c.hidden_size, c.intermediate_size});
    if (c.attention_bias) {
      add("self_attn.q_proj.bias", {q});
      add("self_attn.k_proj.bias", {kv});
      add("self_attn.v_proj.bias", {kv});
      add("self_attn.o_proj.bias", {c.hidden_size});
    }
    if (c.mlp_bias) {
      add("mlp.gate_proj.bias", {c.intermediate_size});
      add("mlp.up_proj.bias", {c.intermediate_size});
      add("mlp.down_proj.bias", {c.hidden_size});
    }
    if (c.architecture == "qwen3") {
      add("self_attn.q_norm.weight", {c.head_dim});
      add("self_attn.k_norm.weight", {c.head_dim});
    }
  }
  return list;
}

}  // namespace

void check_config(const ModelConfig& c) {
  auto positive = [](std::int64_t value, const char* name, std::int64_t limit) {
    if (value < 1 || value > limit) fail_invalid("model configuration: {} is {}; between 1 and {} is expected", name, value, limit);
  };
  positive(c.vocab_size, "vocab_size", std::int64_t{1} << 24);
  positive(c.hidden_size, "hidden_size", 1 << 20);
  positive(c.intermediate_size, "intermediate_size", 1 << 24);
  positive(c.num_hidden_layers, "num_hidden_layers", 4096);
  positive(c.num_attention_heads, "num_attention_heads", 65536);
  positive(c.num_key_value_heads, "num_key_value_heads", c.num_attention_heads);
  positive(c.head_dim, "head_dim", 65536);
  positive(c.max_position_embeddings, "max_position_embeddings", 1 << 24);
  if (c.num_attention_heads % c.num_key_value_heads != 0)
    fail_invalid("model configuration: num_attention_heads ({}) is not a multiple of num_key_value_heads ({})", c.num_attention_heads,
                 c.num_key_value_heads);
  if (!(c.rms_norm_eps > 0 && c.rms_norm_eps < 1)) fail_invalid("model configuration: rms_norm_eps is {}; between 0 and 1 is expected", c.rms_norm_eps);
  if (!(c.rope.theta >= 1 && c.rope.theta < 1e12)) fail_invalid("model configuration: rope_theta is {}; at least 1 is expected", c.rope.theta);
}

void check_model_tensors(const ModelConfig& config, std::span<const TensorEntry> tensors) {
  std::map<std::string_view, const TensorEntry*> by_name;
  for (const TensorEntry& tensor : tensors) by_name[tensor.name] = &tensor;
  for (const Required& need : required(config)) {
    auto found = by_name.find(need.name);
    if (found == by_name.end()) fail(ErrorKind::not_found, "tensor '{}' ({}) is missing", need.name, to_string(need.shape));
    const TensorView& view = found->second->view;
    if (!(view.shape == need.shape))
      fail_invalid("tensor '{}' is {}, but the configuration makes it {}", need.name, to_string(view.shape), to_string(need.shape));
    if (view.dtype == DType::i8 || view.dtype == DType::u8 || view.dtype == DType::i32 || view.dtype == DType::i64)
      fail(ErrorKind::unsupported, "tensor '{}' is {}; model weights of integers are not supported", need.name, name(view.dtype));
  }
}

DType majority_dtype(std::span<const TensorEntry> tensors) {
  std::map<DType, std::int64_t> bytes;
  for (const TensorEntry& tensor : tensors) bytes[tensor.view.dtype] += byte_size(tensor.view.dtype, tensor.view.shape);
  auto most = std::max_element(bytes.begin(), bytes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  return most == bytes.end() ? DType::f32 : most->first;
}

}  // namespace cairn
