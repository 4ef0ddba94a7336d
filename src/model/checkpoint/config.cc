// config.json and generation_config.json, as transformers writes them.
#include <algorithm>
#include <limits>
#include <string>

#include "base/error.h"
#include "model/checkpoint/architecture_traits.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/readers.h"

namespace cairn {
namespace {

constexpr std::string_view kFile = "config.json";

RopeConfig parse_rope(const ConfigFields& config) {
  RopeConfig rope;
  rope.theta = config.real_if("rope_theta").value_or(rope.theta);
  // transformers 5 writes rope_parameters with the theta inside; older ones rope_scaling beside rope_theta.
  const nlohmann::json* object = config.find("rope_parameters");
  if (!object) object = config.find("rope_scaling");
  if (!object) return rope;
  ConfigFields scaling(*object, "config.json: rope_parameters or rope_scaling");
  for (const auto& [key, value] : object->items())
    if (value.is_object())
      fail(ErrorKind::unsupported, "config.json: rotary parameters of their own for '{}' layers", key);
  rope.theta = scaling.real_if("rope_theta").value_or(rope.theta);
  rope.scaling = scaling.text_if("rope_type").value_or(scaling.text_if("type").value_or("default"));
  if (scaling.real_if("partial_rotary_factor").value_or(1.0) != 1.0)
    fail(ErrorKind::unsupported, "config.json: a rotary embedding of part of each head (partial_rotary_factor)");
  if (rope.scaling == "default") return rope;
  if (rope.scaling != "linear" && rope.scaling != "llama3")
    fail(ErrorKind::unsupported, "config.json: rope scaling '{}' is not supported; default, linear and llama3 are",
         rope.scaling);
  rope.factor = scaling.real("factor");
  if (rope.scaling == "llama3") {
    rope.low_freq_factor = scaling.real("low_freq_factor");
    rope.high_freq_factor = scaling.real("high_freq_factor");
    rope.original_max_position_embeddings = scaling.integer("original_max_position_embeddings");
  }
  return rope;
}

void refuse_what_changes_the_computation(const ConfigFields& config) {
  if (auto activation = config.text_if("hidden_act").value_or("silu"); activation != "silu")
    fail(ErrorKind::unsupported, "config.json: hidden_act '{}' is not supported; silu is", activation);
  if (config.real_if("partial_rotary_factor").value_or(1.0) != 1.0)
    fail(ErrorKind::unsupported, "config.json: a rotary embedding of part of each head (partial_rotary_factor)");
}

// The window of each layer (ModelConfig::sliding_window), by sliding_window and what says where it counts.
std::vector<std::int64_t> parse_windows(const nlohmann::json& json, const ConfigFields& config,
                                        const ArchitectureTraits& traits, std::int64_t layers) {
  // An absent key means the architecture's window, null none.
  std::int64_t window = traits.default_window;
  if (json.contains("sliding_window")) window = config.integer_if("sliding_window").value_or(0);
  if (window < 0 || window > std::numeric_limits<std::int32_t>::max())
    fail_invalid("{}: key 'sliding_window' holds {}; a number of positions is expected", kFile, window);
  const bool everywhere = traits.max_window_layers < 0;
  if (!config.boolean_or("use_sliding_window", everywhere)) window = 0;
  std::vector<std::int64_t> windows(static_cast<std::size_t>(std::clamp<std::int64_t>(layers, 0, 4096)), window);
  if (const nlohmann::json* types = config.find("layer_types")) {
    if (!types->is_array() || static_cast<std::int64_t>(types->size()) != layers)
      fail_invalid("{}: key 'layer_types' is not a list of one type for each of {} layers", kFile, layers);
    for (std::size_t i = 0; i < windows.size(); ++i) {
      const nlohmann::json& type = (*types)[i];
      if (type != "full_attention" && type != "sliding_attention")
        fail(ErrorKind::unsupported, "{}: layer_types: {} is not supported; full_attention and sliding_attention are",
             kFile, type.dump());
      if (type == "full_attention") windows[i] = 0;
      if (type == "sliding_attention" && window == 0)
        fail_invalid("{}: layer_types names {}, but there is no sliding_window", kFile, type.dump());
    }
  } else if (!everywhere) {
    const std::int64_t full = config.integer_if("max_window_layers").value_or(traits.max_window_layers);
    std::fill_n(windows.begin(), std::clamp<std::int64_t>(full, 0, static_cast<std::int64_t>(windows.size())), 0);
  }
  const bool none = std::all_of(windows.begin(), windows.end(), [](std::int64_t w) { return w == 0; });
  return none ? std::vector<std::int64_t>{} : windows;
}

// The fields of generation_config.json, or of what stands in for it.
class GenerationFields {
 public:
  GenerationFields(const nlohmann::json& json, std::string_view file) : fields_(json, file), file_(file) {}

  // Old configurations write -1 for a token that there is not.
  std::optional<int> token(const char* key) const {
    auto id = fields_.integer_if(key);
    return id && *id != -1 ? std::optional(checked(*id, key)) : std::nullopt;
  }

  std::vector<int> tokens(const char* key) const {
    const nlohmann::json* found = fields_.find(key);
    if (!found || !found->is_array()) {
      auto id = token(key);
      return id ? std::vector<int>{*id} : std::vector<int>{};
    }
    std::vector<int> ids;
    for (const auto& id : *found) {
      if (!id.is_number_integer()) fail_invalid("{}: key '{}' holds {}, not a token id", file_, key, id.dump());
      ids.push_back(checked(id.get<std::int64_t>(), key));
    }
    return ids;
  }

  // A sampling default within [low, high]; the limits are those of the API's parameter of that name.
  std::optional<double> within(const char* key, double low, double high) const {
    auto value = fields_.real_if(key);
    if (value && !(*value >= low && *value <= high))
      fail_invalid("{}: key '{}' holds {}; between {} and {} is expected", file_, key, *value, low, high);
    return value;
  }

  std::optional<int> top_k() const {
    auto value = fields_.integer_if("top_k");
    if (value && (*value < -1 || *value > std::numeric_limits<int>::max()))
      fail_invalid("{}: key 'top_k' holds {}; 0 or -1 (off) or a count is expected", file_, *value);
    return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
  }

 private:
  int checked(std::int64_t id, const char* key) const {
    if (id < 0 || id > std::numeric_limits<int>::max())
      fail_invalid("{}: key '{}' holds {}, not a token id", file_, key, id);
    return static_cast<int>(id);
  }

  ConfigFields fields_;
  std::string_view file_;
};

}  // namespace

ModelConfig parse_config(const nlohmann::json& json) {
  ConfigFields config(json, kFile);
  ModelConfig result;
  result.architecture = config.text("model_type");
  const ArchitectureTraits& traits = architecture_traits(result.architecture);
  refuse_what_changes_the_computation(config);
  result.vocab_size = config.integer("vocab_size");
  result.hidden_size = config.integer("hidden_size");
  result.intermediate_size = config.integer("intermediate_size");
  result.num_hidden_layers = config.integer("num_hidden_layers");
  result.num_attention_heads = config.integer("num_attention_heads");
  result.num_key_value_heads = config.integer_if("num_key_value_heads").value_or(result.num_attention_heads);
  std::int64_t even = result.num_attention_heads > 0 ? result.hidden_size / result.num_attention_heads : 0;
  result.head_dim =
      config.integer_if("head_dim").value_or(traits.default_head_dim > 0 ? traits.default_head_dim : even);
  result.max_position_embeddings = config.integer("max_position_embeddings");
  result.rms_norm_eps = config.real_if("rms_norm_eps").value_or(1e-6);
  result.rope = parse_rope(config);
  result.tie_word_embeddings = config.boolean_or("tie_word_embeddings", false);
  result.attention_bias = config.boolean_or("attention_bias", false);
  result.mlp_bias = traits.mlp_bias && config.boolean_or("mlp_bias", false);
  result.sliding_window = parse_windows(json, config, traits, result.num_hidden_layers);
  result.attn_logit_softcapping = config.real_if("attn_logit_softcapping").value_or(0.0);
  return result;
}

GenerationConfig parse_generation_config(const nlohmann::json& json, std::string_view file) {
  GenerationFields fields(json, file);
  GenerationConfig result;
  result.eos_token_ids = fields.tokens("eos_token_id");
  result.bos_token_id = fields.token("bos_token_id");
  result.pad_token_id = fields.token("pad_token_id");
  result.temperature = fields.within("temperature", 0, 2);
  result.top_p = fields.within("top_p", 1e-9, 1);
  result.min_p = fields.within("min_p", 0, 1);
  result.repetition_penalty = fields.within("repetition_penalty", 1e-9, 1e9);
  result.top_k = fields.top_k();
  return result;
}

}  // namespace cairn
