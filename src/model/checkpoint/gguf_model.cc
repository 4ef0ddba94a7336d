// A GGUF file as a model: metadata to configuration, tensor names to Hugging Face's.
#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/checkpoint/gguf.h"
#include "model/checkpoint/readers.h"

namespace cairn {
namespace {

// Architectures by GGUF's name. Interleaved: its converter permutes q and k rows, so that rotation pairs are neighbours.
struct GgufArchitecture {
  std::string_view name;
  bool interleaved_rope;
};
constexpr std::array<GgufArchitecture, 2> kArchitectures = {{{"llama", true}, {"qwen3", false}}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kModelNames = {{
    {"token_embd.weight", "model.embed_tokens.weight"},
    {"output_norm.weight", "model.norm.weight"},
    {"output.weight", "lm_head.weight"},
    {"rope_freqs.weight", "rope_freqs.weight"},
}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kLayerNames = {{
    {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"}, {"attn_k", "self_attn.k_proj"}, {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_gate", "mlp.gate_proj"}, {"ffn_up", "mlp.up_proj"}, {"ffn_down", "mlp.down_proj"},
}};

// "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight"; names that are not known stay as they are.
std::string hugging_face_name(const std::string& name) {
  for (auto [gguf, hugging_face] : kModelNames)
    if (name == gguf) return std::string(hugging_face);
  if (!name.starts_with("blk.")) return name;
  std::size_t first = name.find('.', 4), second = first == std::string::npos ? first : name.find('.', first + 1);
  if (second == std::string::npos) return name;
  std::string part = name.substr(first + 1, second - first - 1);
  for (auto [gguf, hugging_face] : kLayerNames)
    if (part == gguf) return fmt::format("model.layers.{}.{}{}", name.substr(4, first - 4), hugging_face, name.substr(second));
  return name;
}

nlohmann::ordered_json to_json(const GgufValue& value) {
  return std::visit(
      [](const auto& data) -> nlohmann::ordered_json {
        if constexpr (std::is_same_v<std::decay_t<decltype(data)>, GgufArray>) {
          if (data.size() > 8) return fmt::format("<{} elements>", data.size());
          auto list = nlohmann::ordered_json::array();
          for (const GgufValue& element : data) list.push_back(to_json(element));
          return list;
        } else {
          return data;
        }
      },
      value.data);
}

class GgufCheckpoint final : public Checkpoint {
 public:
  explicit GgufCheckpoint(const std::string& path) : file_(path), gguf_(parse_gguf(file_.bytes())) {
    path_ = path;
    format_ = "gguf";
    for (const GgufTensor& tensor : gguf_.tensors) tensors_.push_back({hugging_face_name(tensor.name), tensor.name, tensor.view});
    read_tokenizer();
    read_config();
    check_config(config_);
    check_model_tensors(config_, tensors_);
  }

  nlohmann::ordered_json metadata() const override {
    nlohmann::ordered_json json;
    for (const auto& [key, value] : gguf_.values) json[key] = to_json(value);
    return json;
  }

  void drop(const TensorEntry& tensor) const override {
    file_.drop({tensor.view.data, static_cast<std::size_t>(byte_size(tensor.view.dtype, tensor.view.shape))});
  }

 private:
  void read_config();
  void read_tokenizer();
  std::optional<int> token(std::string_view key) const;

  MappedFile file_;
  GgufFile gguf_;
};

void GgufCheckpoint::read_config() {
  const std::string& name = gguf_.text("general.architecture");
  auto found = std::find_if(kArchitectures.begin(), kArchitectures.end(), [&](auto& known) { return known.name == name; });
  if (found == kArchitectures.end()) {
    std::string known;
    for (const auto& architecture : kArchitectures) known += (known.empty() ? "" : ", ") + std::string(architecture.name);
    fail(ErrorKind::unsupported, "{}: architecture '{}' is not supported; known: {}", path_, name, known);
  }
  auto key = [&](const char* rest) { return name + "." + rest; };
  if (gguf_.integer_or(key("expert_count"), 0) > 0) fail(ErrorKind::unsupported, "{}: mixtures of experts are not supported", path_);
  config_.architecture = name;
  config_.vocab_size = static_cast<std::int64_t>(tokenizer_.tokens.size());
  config_.hidden_size = gguf_.integer(key("embedding_length"));
  config_.intermediate_size = gguf_.integer(key("feed_forward_length"));
  config_.num_hidden_layers = gguf_.integer(key("block_count"));
  config_.num_attention_heads = gguf_.integer(key("attention.head_count"));
  config_.num_key_value_heads = gguf_.integer_or(key("attention.head_count_kv"), config_.num_attention_heads);
  std::int64_t even = config_.num_attention_heads > 0 ? config_.hidden_size / config_.num_attention_heads : 0;
  config_.head_dim = gguf_.integer_or(key("attention.key_length"), even);
  if (gguf_.integer_or(key("attention.value_length"), config_.head_dim) != config_.head_dim)
    fail(ErrorKind::unsupported, "{}: attention.value_length differs from key_length", path_);
  if (gguf_.integer_or(key("rope.dimension_count"), config_.head_dim) != config_.head_dim)
    fail(ErrorKind::unsupported, "{}: a rotary embedding of part of each head is not supported", path_);
  config_.max_position_embeddings = gguf_.integer(key("context_length"));
  config_.rms_norm_eps = gguf_.real(key("attention.layer_norm_rms_epsilon"));
  config_.rope.theta = gguf_.real_or(key("rope.freq_base"), 10000.0);
  config_.rope.interleaved = found->interleaved_rope;
  if (gguf_.has(key("rope.scaling.type"))) {
    const std::string& scaling = gguf_.text(key("rope.scaling.type"));
    if (scaling == "linear") {
      config_.rope.scaling = "linear";
      config_.rope.factor = gguf_.real(key("rope.scaling.factor"));
    } else if (scaling != "none") {
      fail(ErrorKind::unsupported, "{}: rope.scaling.type '{}' is not supported", path_, scaling);
    }
  }
  config_.tie_word_embeddings = find("lm_head.weight") == nullptr;
  config_.attention_bias = find("model.layers.0.self_attn.q_proj.bias") != nullptr;
  config_.mlp_bias = find("model.layers.0.mlp.gate_proj.bias") != nullptr;
  config_.dtype = majority_dtype(tensors_);
}

std::optional<int> GgufCheckpoint::token(std::string_view key) const {
  if (!gguf_.has(key)) return std::nullopt;
  std::int64_t id = gguf_.integer(key);
  if (id < 0 || id >= static_cast<std::int64_t>(tokenizer_.tokens.size()))
    fail_invalid("{}: {} is {}, outside the vocabulary of {}", path_, key, id, tokenizer_.tokens.size());
  return static_cast<int>(id);
}

void GgufCheckpoint::read_tokenizer() {
  TokenizerData& data = tokenizer_;
  data.model = gguf_.text("tokenizer.ggml.model");
  if (gguf_.has("tokenizer.ggml.pre")) data.pre_tokenizer = gguf_.text("tokenizer.ggml.pre");
  data.tokens = gguf_.texts("tokenizer.ggml.tokens");
  if (gguf_.has("tokenizer.ggml.token_type")) data.token_types = gguf_.integers("tokenizer.ggml.token_type");
  if (!data.token_types.empty() && data.token_types.size() != data.tokens.size())
    fail_invalid("{}: tokenizer.ggml.token_type has {} entries for {} tokens", path_, data.token_types.size(), data.tokens.size());
  if (gguf_.has("tokenizer.ggml.merges")) data.merges = gguf_.texts("tokenizer.ggml.merges");
  data.bos_token_id = token("tokenizer.ggml.bos_token_id");
  data.eos_token_id = token("tokenizer.ggml.eos_token_id");
  data.unknown_token_id = token("tokenizer.ggml.unknown_token_id");
  data.pad_token_id = token("tokenizer.ggml.padding_token_id");
  // llama-bpe's tokenizer adds BOS unless the file says otherwise; the other byte-level ones do not.
  const bool llama_bpe = data.pre_tokenizer == "llama-bpe" || data.pre_tokenizer == "llama3" || data.pre_tokenizer == "llama-v3";
  data.add_bos_token = gguf_.boolean_or("tokenizer.ggml.add_bos_token", llama_bpe);
  data.add_eos_token = gguf_.boolean_or("tokenizer.ggml.add_eos_token", false);
  if (gguf_.has("tokenizer.chat_template")) data.chat_template = gguf_.text("tokenizer.chat_template");
  generation_.bos_token_id = data.bos_token_id;
  generation_.pad_token_id = data.pad_token_id;
  for (auto id : {data.eos_token_id, token("tokenizer.ggml.eot_token_id"), token("tokenizer.ggml.eom_token_id")})
    if (id && std::find(generation_.eos_token_ids.begin(), generation_.eos_token_ids.end(), *id) == generation_.eos_token_ids.end())
      generation_.eos_token_ids.push_back(*id);
}

}  // namespace

std::unique_ptr<Checkpoint> open_gguf(const std::string& path) { return std::make_unique<GgufCheckpoint>(path); }

}  // namespace cairn
