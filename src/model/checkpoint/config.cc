// config.json and generation_config.json, as transformers writes them.
#include <array>
#include <string>

#include "base/error.h"
#include "model/checkpoint/readers.h"

namespace cairn {
namespace {

constexpr std::array<std::string_view, 2> kArchitectures = {"llama", "qwen3"};

template <typename T>
T field(const nlohmann::json& json, const char* key) {
  auto found = json.find(key);
  if (found == json.end() || found->is_null()) fail_invalid("config.json: key '{}' is missing", key);
  try {
    return found->get<T>();
  } catch (const nlohmann::json::exception&) {
    fail_invalid("config.json: key '{}' holds {}, of the wrong type", key, found->dump());
  }
}

template <typename T>
T field_or(const nlohmann::json& json, const char* key, T fallback) {
  auto found = json.find(key);
  return found == json.end() || found->is_null() ? fallback : field<T>(json, key);
}

RopeConfig parse_rope(const nlohmann::json& config) {
  RopeConfig rope;
  rope.theta = field_or<double>(config, "rope_theta", rope.theta);
  // transformers 5 writes rope_parameters with the theta inside; older ones rope_scaling beside rope_theta.
  const char* key = config.contains("rope_parameters") ? "rope_parameters" : "rope_scaling";
  auto found = config.find(key);
  if (found == config.end() || found->is_null()) return rope;
  if (!found->is_object()) fail_invalid("config.json: key '{}' holds {}, expected an object", key, found->dump());
  const nlohmann::json& scaling = *found;
  rope.theta = field_or<double>(scaling, "rope_theta", rope.theta);
  rope.scaling = field_or<std::string>(scaling, "rope_type", field_or<std::string>(scaling, "type", "default"));
  if (rope.scaling == "default") return rope;
  if (rope.scaling != "linear" && rope.scaling != "llama3")
    fail(ErrorKind::unsupported, "config.json: rope scaling '{}' is not supported; default, linear and llama3 are", rope.scaling);
  rope.factor = field<double>(scaling, "factor");
  if (rope.scaling == "llama3") {
    rope.low_freq_factor = field<double>(scaling, "low_freq_factor");
    rope.high_freq_factor = field<double>(scaling, "high_freq_factor");
    rope.original_max_position_embeddings = field<std::int64_t>(scaling, "original_max_position_embeddings");
  }
  if (!(rope.factor >= 1 && rope.factor < 1e6)) fail_invalid("config.json: rope scaling factor {} is out of range", rope.factor);
  return rope;
}

}  // namespace

ModelConfig parse_config(const nlohmann::json& config) {
  if (!config.is_object()) fail_invalid("config.json is not a JSON object");
  ModelConfig result;
  result.architecture = field<std::string>(config, "model_type");
  std::string known;
  bool supported = false;
  for (std::string_view name : kArchitectures) {
    supported = supported || name == result.architecture;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  if (!supported) fail(ErrorKind::unsupported, "config.json: model_type '{}' is not supported; known: {}", result.architecture, known);
  if (config.contains("quantization_config") && !config["quantization_config"].is_null())
    fail(ErrorKind::unsupported, "config.json: quantized checkpoints (quantization_config) are not supported; use GGUF or the unquantized model");
  if (field_or<bool>(config, "use_sliding_window", false)) fail(ErrorKind::unsupported, "config.json: use_sliding_window is not supported");
  auto activation = field_or<std::string>(config, "hidden_act", "silu");
  if (activation != "silu") fail(ErrorKind::unsupported, "config.json: hidden_act '{}' is not supported; silu is", activation);
  result.vocab_size = field<std::int64_t>(config, "vocab_size");
  result.hidden_size = field<std::int64_t>(config, "hidden_size");
  result.intermediate_size = field<std::int64_t>(config, "intermediate_size");
  result.num_hidden_layers = field<std::int64_t>(config, "num_hidden_layers");
  result.num_attention_heads = field<std::int64_t>(config, "num_attention_heads");
  result.num_key_value_heads = field_or<std::int64_t>(config, "num_key_value_heads", result.num_attention_heads);
  std::int64_t even = result.num_attention_heads > 0 ? result.hidden_size / result.num_attention_heads : 0;
  result.head_dim = field_or<std::int64_t>(config, "head_dim", result.architecture == "qwen3" ? 128 : even);
  result.max_position_embeddings = field<std::int64_t>(config, "max_position_embeddings");
  result.rms_norm_eps = field_or<double>(config, "rms_norm_eps", 1e-6);
  result.rope = parse_rope(config);
  result.tie_word_embeddings = field_or<bool>(config, "tie_word_embeddings", false);
  result.attention_bias = field_or<bool>(config, "attention_bias", false);
  result.mlp_bias = field_or<bool>(config, "mlp_bias", false);
  return result;
}

GenerationConfig parse_generation_config(const nlohmann::json& generation) {
  GenerationConfig result;
  if (!generation.is_object()) return result;
  auto eos = generation.find("eos_token_id");
  if (eos != generation.end() && eos->is_number_integer()) result.eos_token_ids.push_back(field<int>(generation, "eos_token_id"));
  else if (eos != generation.end() && eos->is_array()) result.eos_token_ids = field<std::vector<int>>(generation, "eos_token_id");
  auto optional_int = [&](const char* key) {
    auto found = generation.find(key);
    return found != generation.end() && found->is_number_integer() ? std::optional(field<int>(generation, key)) : std::nullopt;
  };
  auto optional_real = [&](const char* key) {
    auto found = generation.find(key);
    return found != generation.end() && found->is_number() ? std::optional(field<double>(generation, key)) : std::nullopt;
  };
  result.bos_token_id = optional_int("bos_token_id");
  result.pad_token_id = optional_int("pad_token_id");
  result.temperature = optional_real("temperature");
  result.top_p = optional_real("top_p");
  result.min_p = optional_real("min_p");
  result.top_k = optional_int("top_k");
  result.repetition_penalty = optional_real("repetition_penalty");
  return result;
}

}  // namespace cairn
