// A GGUF file as a model: its metadata as configuration and tokenizer data, its tensors under Hugging Face's names.
#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/text.h"
#include "model/checkpoint/architecture_traits.h"
#include "model/checkpoint/gguf.h"
#include "model/checkpoint/readers.h"

namespace cairn {
namespace {

constexpr std::size_t kShownElements = 8;
constexpr int kControlToken = 3;  // tokenizer.ggml.token_type

nlohmann::ordered_json to_json(const GgufValue& value);
nlohmann::ordered_json to_json(const std::string& text) { return sanitize_utf8(text); }
template <typename T>
nlohmann::ordered_json to_json(const T& number) {
  return number;
}
template <typename T>
nlohmann::ordered_json to_json(const std::vector<T>& elements) {
  if (elements.size() > kShownElements) return fmt::format("<{} elements>", elements.size());
  auto list = nlohmann::ordered_json::array();
  for (const T& element : elements) list.push_back(to_json(element));
  return list;
}
nlohmann::ordered_json to_json(const GgufValue& value) {
  return std::visit([](const auto& data) { return to_json(data); }, value.data);
}

class GgufCheckpoint final : public Checkpoint {
 public:
  explicit GgufCheckpoint(const std::string& path) : file_(path), gguf_(parse_gguf(file_.bytes())) {
    path_ = path;
    format_ = "gguf";
    refuse_splits();
    for (const GgufTensor& tensor : gguf_.tensors)
      tensors_.push_back({hugging_face_name(tensor.name), tensor.name, tensor.view});
    index_tensors();
    config_.architecture = gguf_.text("general.architecture");
    config_.rope.interleaved = architecture_traits(config_.architecture).gguf_interleaved_rope;
    if (gguf_.has("tokenizer.ggml.tokens")) read_tokenizer();
    read_sizes();
    read_rope();
    refuse_what_changes_the_computation();
    config_.dtype = majority_dtype(tensors_);
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

  std::string stamp() const override { return file_.stamp() + "\n"; }

 private:
  std::string key(std::string_view rest) const { return fmt::format("{}.{}", config_.architecture, rest); }
  void refuse_splits() const;
  void read_sizes();
  void read_rope();
  void refuse_what_changes_the_computation() const;
  void read_tokenizer();
  void read_stop_tokens();
  std::optional<int> token(std::string_view key) const;

  MappedFile file_;
  GgufFile gguf_;
};

void GgufCheckpoint::refuse_splits() const {
  if (std::int64_t parts = gguf_.integer_or("split.count", 1); parts > 1)
    fail(ErrorKind::unsupported, "split.count: a model in {} files is not supported; merge them into one", parts);
}

void GgufCheckpoint::read_sizes() {
  config_.vocab_size = tokenizer_.tokens.empty() ? gguf_.integer(key("vocab_size"))
                                                 : static_cast<std::int64_t>(tokenizer_.tokens.size());
  config_.hidden_size = gguf_.integer(key("embedding_length"));
  config_.intermediate_size = gguf_.integer(key("feed_forward_length"));
  config_.num_hidden_layers = gguf_.integer(key("block_count"));
  config_.num_attention_heads = gguf_.integer(key("attention.head_count"));
  config_.num_key_value_heads = gguf_.integer_or(key("attention.head_count_kv"), config_.num_attention_heads);
  std::int64_t even = config_.num_attention_heads > 0 ? config_.hidden_size / config_.num_attention_heads : 0;
  config_.head_dim = gguf_.integer_or(key("attention.key_length"), even);
  config_.max_position_embeddings = gguf_.integer(key("context_length"));
  config_.rms_norm_eps = gguf_.real(key("attention.layer_norm_rms_epsilon"));
  config_.tie_word_embeddings = find("lm_head.weight") == nullptr;
  config_.attention_bias = find("model.layers.0.self_attn.q_proj.bias") != nullptr;
  config_.mlp_bias = find("model.layers.0.mlp.gate_proj.bias") != nullptr;
  config_.attn_logit_softcapping = gguf_.real_or(key("attn_logit_softcapping"), 0);
  if (const std::int64_t window = gguf_.integer_or(key("attention.sliding_window"), 0); window != 0)
    config_.sliding_window.assign(
        static_cast<std::size_t>(std::clamp<std::int64_t>(config_.num_hidden_layers, 0, 4096)), window);
}

void GgufCheckpoint::read_rope() {
  config_.rope.theta = gguf_.real_or(key("rope.freq_base"), config_.rope.theta);
  std::string scaling = gguf_.has(key("rope.scaling.type")) ? gguf_.text(key("rope.scaling.type")) : "none";
  double factor = gguf_.real_or(key("rope.scaling.factor"), 1.0);
  if (gguf_.has(key("rope.scale_linear"))) {  // the older spelling
    scaling = "linear";
    factor = gguf_.real(key("rope.scale_linear"));
  }
  if (scaling == "none") return;
  if (scaling != "linear")
    fail(ErrorKind::unsupported, "{} '{}' is not supported; none and linear are", key("rope.scaling.type"), scaling);
  config_.rope.scaling = "linear";
  config_.rope.factor = factor;
}

void GgufCheckpoint::refuse_what_changes_the_computation() const {
  auto refuse = [&](std::string_view rest, const char* what) {
    fail(ErrorKind::unsupported, "{}: {} is not supported", key(rest), what);
  };
  if (gguf_.integer_or(key("expert_count"), 0) > 0) refuse("expert_count", "a mixture of experts");
  if (gguf_.integer_or(key("attention.value_length"), config_.head_dim) != config_.head_dim)
    refuse("attention.value_length", "a size other than key_length's");
  if (gguf_.integer_or(key("rope.dimension_count"), config_.head_dim) != config_.head_dim)
    refuse("rope.dimension_count", "a rotary embedding of part of each head");
  if (gguf_.has(key("attention.sliding_window_pattern")))
    refuse("attention.sliding_window_pattern", "a window of some layers");
  if (!gguf_.boolean_or(key("attention.causal"), true)) refuse("attention.causal", "attention to what follows");
}

std::optional<int> GgufCheckpoint::token(std::string_view key) const {
  if (!gguf_.has(key)) return std::nullopt;
  std::int64_t id = gguf_.integer(key);
  if (id < 0 || id >= static_cast<std::int64_t>(tokenizer_.tokens.size()))
    fail_invalid("{} is {}, outside the vocabulary of {}", key, id, tokenizer_.tokens.size());
  return static_cast<int>(id);
}

void GgufCheckpoint::read_tokenizer() {
  TokenizerData& data = tokenizer_;
  data.model = gguf_.text("tokenizer.ggml.model");
  if (gguf_.has("tokenizer.ggml.pre")) data.pre_tokenizer = gguf_.text("tokenizer.ggml.pre");
  data.tokens = gguf_.texts("tokenizer.ggml.tokens");
  if (gguf_.has("tokenizer.ggml.token_type")) data.token_types = gguf_.integers("tokenizer.ggml.token_type");
  if (!data.token_types.empty() && data.token_types.size() != data.tokens.size())
    fail_invalid("tokenizer.ggml.token_type has {} entries for {} tokens", data.token_types.size(), data.tokens.size());
  if (gguf_.has("tokenizer.ggml.merges")) data.merges = gguf_.texts("tokenizer.ggml.merges");
  data.bos_token_id = token("tokenizer.ggml.bos_token_id");
  data.eos_token_id = token("tokenizer.ggml.eos_token_id");
  data.unknown_token_id = token("tokenizer.ggml.unknown_token_id");
  data.pad_token_id = token("tokenizer.ggml.padding_token_id");
  // llama-bpe's tokenizer adds BOS unless the file says otherwise; the other byte-level ones do not.
  const std::string& pre = data.pre_tokenizer;
  data.add_bos_token =
      gguf_.boolean_or("tokenizer.ggml.add_bos_token", pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3");
  data.add_eos_token = gguf_.boolean_or("tokenizer.ggml.add_eos_token", false);
  if (gguf_.has("tokenizer.chat_template")) data.chat_template = gguf_.text("tokenizer.chat_template");
  generation_.bos_token_id = data.bos_token_id;
  generation_.pad_token_id = data.pad_token_id;
  read_stop_tokens();
}

void GgufCheckpoint::read_stop_tokens() {
  std::vector<int>& stops = generation_.eos_token_ids;
  auto add = [&](std::optional<int> id) {
    if (id && std::find(stops.begin(), stops.end(), *id) == stops.end()) stops.push_back(*id);
  };
  add(tokenizer_.eos_token_id);
  add(token("tokenizer.ggml.eot_token_id"));
  add(token("tokenizer.ggml.eom_token_id"));
  if (gguf_.has("tokenizer.ggml.eot_token_id")) return;
  // Older files name no end of turn; then the control tokens that chat models end their turns with are known by text.
  constexpr std::array<std::string_view, 3> turn_ends = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>"};
  for (std::size_t i = 0; i < tokenizer_.token_types.size(); ++i)
    if (tokenizer_.token_types[i] == kControlToken &&
        std::find(turn_ends.begin(), turn_ends.end(), tokenizer_.tokens[i]) != turn_ends.end())
      add(static_cast<int>(i));
}

}  // namespace

std::unique_ptr<Checkpoint> open_gguf(const std::string& path) { return std::make_unique<GgufCheckpoint>(path); }

}  // namespace cairn
