// The tensors of each architecture as a table, compared with those of a file.
#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <string>

#include "base/error.h"
#include "model/checkpoint/architecture_traits.h"
#include "model/checkpoint/readers.h"

namespace cairn {
namespace {

enum class Extent { none, vocab, hidden, inner, q, kv, head };
enum class When { always, untied, attention_bias, mlp_bias, qk_norm };

struct Required {
  std::string_view name;
  When when;
  Extent rows, columns;  // a vector has only rows
};

constexpr std::array<Required, 3> kModelTensors = {{
    {"model.embed_tokens.weight", When::always, Extent::vocab, Extent::hidden},
    {"model.norm.weight", When::always, Extent::hidden, Extent::none},
    {"lm_head.weight", When::untied, Extent::vocab, Extent::hidden},
}};

// Of each layer, behind "model.layers.N.".
constexpr std::array<Required, 18> kLayerTensors = {{
    {"input_layernorm.weight", When::always, Extent::hidden, Extent::none},
    {"post_attention_layernorm.weight", When::always, Extent::hidden, Extent::none},
    {"self_attn.q_proj.weight", When::always, Extent::q, Extent::hidden},
    {"self_attn.k_proj.weight", When::always, Extent::kv, Extent::hidden},
    {"self_attn.v_proj.weight", When::always, Extent::kv, Extent::hidden},
    {"self_attn.o_proj.weight", When::always, Extent::hidden, Extent::q},
    {"self_attn.q_norm.weight", When::qk_norm, Extent::head, Extent::none},
    {"self_attn.k_norm.weight", When::qk_norm, Extent::head, Extent::none},
    {"self_attn.q_proj.bias", When::attention_bias, Extent::q, Extent::none},
    {"self_attn.k_proj.bias", When::attention_bias, Extent::kv, Extent::none},
    {"self_attn.v_proj.bias", When::attention_bias, Extent::kv, Extent::none},
    {"self_attn.o_proj.bias", When::attention_bias, Extent::hidden, Extent::none},
    {"mlp.gate_proj.weight", When::always, Extent::inner, Extent::hidden},
    {"mlp.up_proj.weight", When::always, Extent::inner, Extent::hidden},
    {"mlp.down_proj.weight", When::always, Extent::hidden, Extent::inner},
    {"mlp.gate_proj.bias", When::mlp_bias, Extent::inner, Extent::none},
    {"mlp.up_proj.bias", When::mlp_bias, Extent::inner, Extent::none},
    {"mlp.down_proj.bias", When::mlp_bias, Extent::hidden, Extent::none},
}};

bool applies(When when, const ModelConfig& c) {
  switch (when) {
    case When::always:
      return true;
    case When::untied:
      return !c.tie_word_embeddings;
    case When::attention_bias:
      return c.attention_bias;
    case When::mlp_bias:
      return c.mlp_bias;
    case When::qk_norm:
      return architecture_traits(c.architecture).qk_norm;
  }
  return false;
}

std::int64_t size_of(Extent extent, const ModelConfig& c) {
  switch (extent) {
    case Extent::vocab:
      return c.vocab_size;
    case Extent::hidden:
      return c.hidden_size;
    case Extent::inner:
      return c.intermediate_size;
    case Extent::q:
      return c.num_attention_heads * c.head_dim;
    case Extent::kv:
      return c.num_key_value_heads * c.head_dim;
    case Extent::head:
      return c.head_dim;
    case Extent::none:
      break;
  }
  return 0;
}

Shape shape_of(const Required& tensor, const ModelConfig& c) {
  if (tensor.columns == Extent::none) return {size_of(tensor.rows, c)};
  return {size_of(tensor.rows, c), size_of(tensor.columns, c)};
}

bool is_integer(DType dtype) {
  return dtype == DType::i8 || dtype == DType::u8 || dtype == DType::i32 || dtype == DType::i64;
}

class Comparison {
 public:
  Comparison(const ModelConfig& config, std::span<const TensorEntry> tensors) : config_(config) {
    for (const TensorEntry& tensor : tensors) unseen_.emplace(tensor.name, &tensor.view);
  }

  void require(const std::string& name, const Shape& shape) {
    auto found = unseen_.find(name);
    if (found == unseen_.end())
      fail(ErrorKind::not_found, "tensor '{}' {} is missing; the file is not whole, or not of this architecture ({})",
           name, to_string(shape), config_.architecture);
    const TensorView& view = *found->second;
    if (!(view.shape == shape))
      fail_invalid("tensor '{}' is {}, but the configuration makes it {}", name, to_string(view.shape),
                   to_string(shape));
    if (is_integer(view.dtype) || view.dtype == DType::f8_e4m3)
      fail(ErrorKind::unsupported, "tensor '{}' is {}, and config.json has no quantization_config that says its scales",
           name, cairn::name(view.dtype));
    if (view.source && name == "model.embed_tokens.weight")
      fail(ErrorKind::unsupported, "tensor '{}' is {}; a quantized embedding of a safetensors file is not supported",
           name, cairn::name(view.dtype));
    unseen_.erase(found);
  }

  // Llama 3's scaled rotary frequencies, as GGUF carries them: a divisor a frequency.
  void allow_rope_factors() {
    auto found = unseen_.find("rope_freqs.weight");
    if (found == unseen_.end()) return;
    if (found->second->dtype != DType::f32)
      fail(ErrorKind::unsupported, "tensor 'rope_freqs.weight' is {}; f32 is supported",
           cairn::name(found->second->dtype));
    require("rope_freqs.weight", {config_.head_dim / 2});
  }

  // A weight that the graph would leave out means other answers than the model's. What is not a weight may be there:
  // counters and masks of integers, tables that are computed anyway, the copy of a tied embedding.
  void refuse_the_rest() const {
    for (const auto& [name, view] : unseen_) {
      bool derived = name.ends_with("rotary_emb.inv_freq") || (config_.tie_word_embeddings && name == "lm_head.weight");
      if (!derived && !is_integer(view->dtype))
        fail(ErrorKind::unsupported, "tensor '{}' {} has no place in a {} model of this configuration", name,
             to_string(view->shape), config_.architecture);
    }
  }

 private:
  const ModelConfig& config_;
  std::map<std::string_view, const TensorView*> unseen_;
};

}  // namespace

void check_config(const ModelConfig& c) {
  auto positive = [](std::int64_t value, const char* name, std::int64_t limit) {
    if (value < 1 || value > limit)
      fail_invalid("model configuration: {} is {}; between 1 and {} is expected", name, value, limit);
  };
  auto above = [](double value, const char* name, double low, double high) {
    if (!(value > low && value < high))
      fail_invalid("model configuration: {} is {}; between {} and {} is expected", name, value, low, high);
  };
  positive(c.vocab_size, "vocab_size", 1 << 24);
  positive(c.hidden_size, "hidden_size", 1 << 20);
  positive(c.intermediate_size, "intermediate_size", 1 << 24);
  positive(c.num_hidden_layers, "num_hidden_layers", 4096);
  positive(c.num_attention_heads, "num_attention_heads", 65536);
  positive(c.num_key_value_heads, "num_key_value_heads", c.num_attention_heads);
  positive(c.head_dim, "head_dim", 4096);
  positive(c.max_position_embeddings, "max_position_embeddings", 1 << 24);
  if (c.num_attention_heads % c.num_key_value_heads != 0)
    fail_invalid("model configuration: num_attention_heads ({}) is not a multiple of num_key_value_heads ({})",
                 c.num_attention_heads, c.num_key_value_heads);
  if (c.head_dim % 2 != 0)
    fail_invalid("model configuration: head_dim ({}) is odd; the rotation takes pairs", c.head_dim);
  above(c.rms_norm_eps, "rms_norm_eps", 0, 1);
  above(c.rope.theta, "rope_theta", 0, 1e12);
  for (std::int64_t window : c.sliding_window)
    if (window != 0) positive(window, "sliding_window", std::numeric_limits<std::int32_t>::max());
  if (c.attn_logit_softcapping != 0) above(c.attn_logit_softcapping, "attn_logit_softcapping", 0, 1e6);
  if (c.rope.scaling == "default") return;
  above(c.rope.factor, "rope scaling factor", 0, 1e6);
  if (c.rope.scaling != "llama3") return;
  above(c.rope.low_freq_factor, "low_freq_factor", 0, 1e6);
  above(c.rope.high_freq_factor, "high_freq_factor", c.rope.low_freq_factor, 1e6);
  positive(c.rope.original_max_position_embeddings, "original_max_position_embeddings", 1 << 24);
}

void check_model_tensors(const ModelConfig& config, std::span<const TensorEntry> tensors) {
  Comparison comparison(config, tensors);
  for (const Required& tensor : kModelTensors)
    if (applies(tensor.when, config)) comparison.require(std::string(tensor.name), shape_of(tensor, config));
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer)
    for (const Required& tensor : kLayerTensors)
      if (applies(tensor.when, config))
        comparison.require(fmt::format("model.layers.{}.{}", layer, tensor.name), shape_of(tensor, config));
  comparison.allow_rope_factors();
  comparison.refuse_the_rest();
}

DType majority_dtype(std::span<const TensorEntry> tensors) {
  std::map<DType, std::int64_t> bytes;
  for (const TensorEntry& tensor : tensors) bytes[tensor.view.dtype] += byte_size(tensor.view.dtype, tensor.view.shape);
  auto most = std::max_element(bytes.begin(), bytes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  return most == bytes.end() ? DType::f32 : most->first;
}

}  // namespace cairn
