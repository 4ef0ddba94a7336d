// A model on disk: named tensors, configuration, tokenizer and chat template data, from GGUF v3 or a Hugging Face
// folder.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/view.h"

namespace cairn {

/// Rotary embedding parameters. `scaling` is Hugging Face's rope_type: "default", "linear", "llama3" (factors below).
struct RopeConfig {
  double theta = 10000.0;
  std::string scaling = "default";
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  std::int64_t original_max_position_embeddings = 0;
  // GGUF's llama stores q/k rows so that rotation pairs are neighbours (2i, 2i+1); Hugging Face pairs (i, i + D/2).
  bool interleaved = false;
};

/// What an architecture needs to build its graph; named by Hugging Face's config keys. All sizes are checked on
/// reading: positive, and within bounds that the tensors confirm.
struct ModelConfig {
  std::string architecture;  // "llama", "qwen3", "mistral"
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  RopeConfig rope;
  bool tie_word_embeddings = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  // Positions that a token of each layer sees, itself the last; 0: all. Empty: all in every layer.
  std::vector<std::int64_t> sliding_window;
  double attn_logit_softcapping = 0;  // c: attention scores become c tanh(score / c); 0: they stay
  DType dtype = DType::bf16;  // of the majority of the weights' bytes
};

/// Defaults and stop tokens that come with the model (generation_config.json; GGUF has only the tokens).
struct GenerationConfig {
  std::vector<int> eos_token_ids;
  std::optional<int> bos_token_id, pad_token_id;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<int> top_k;
};

/// What a tokenizer is built from: either tokenizer.json's text (Hugging Face) or GGUF's token lists.
struct TokenizerData {
  std::string json;  // whole tokenizer.json; empty for GGUF
  // GGUF (tokenizer.ggml.*):
  std::string model;          // "gpt2" for byte-level BPE
  std::string pre_tokenizer;  // tokenizer.ggml.pre: "smollm", "llama-bpe", "qwen2", "gpt-2", "default" …
  std::vector<std::string> tokens;
  std::vector<int> token_types;  // 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte
  std::vector<std::string> merges;
  // Both:
  std::optional<int> bos_token_id, eos_token_id, unknown_token_id, pad_token_id;
  bool add_bos_token = false, add_eos_token = false;
  std::string chat_template;  // empty when the model has none
};

struct TensorEntry {
  std::string name;         // Hugging Face's name, e.g. "model.layers.0.self_attn.q_proj.weight"; GGUF's are translated
  std::string stored_name;  // as in the file
  TensorView view;          // row-major; points into the mapping: read-only, and in a safetensors file of any alignment
};

/// An open model. Owns the mappings that its tensors' views point into. Thread-safe to read.
class Checkpoint {
 public:
  /// Opens a .gguf file or a folder with config.json and *.safetensors. Throws not_found / invalid_argument /
  /// unsupported, naming file, field and offset.
  static std::unique_ptr<Checkpoint> open(const std::string& path);
  virtual ~Checkpoint() = default;

  const std::string& path() const { return path_; }
  const std::string& format() const { return format_; }  // "gguf" or "safetensors"
  const ModelConfig& config() const { return config_; }
  const GenerationConfig& generation() const { return generation_; }
  const TokenizerData& tokenizer() const { return tokenizer_; }
  std::span<const TensorEntry> tensors() const { return tensors_; }
  /// The tensor of that Hugging Face name, or nullptr.
  const TensorEntry* find(std::string_view name) const;
  /// The file's own key/value metadata as JSON (GGUF keys, or config.json) for `cairn inspect`; long arrays are cut.
  virtual nlohmann::ordered_json metadata() const = 0;
  /// Lets the kernel drop the file pages behind a tensor, once it is packed.
  virtual void drop(const TensorEntry& tensor) const = 0;
  /// Tells the files of the weights apart from what they were or may become (MappedFile::stamp, a line a file).
  virtual std::string stamp() const = 0;

 protected:
  /// Makes find() work; called once, when tensors_ is complete. Throws invalid_argument for a name that is there twice.
  void index_tensors();

  std::string path_, format_;
  ModelConfig config_;
  GenerationConfig generation_;
  TokenizerData tokenizer_;
  std::vector<TensorEntry> tensors_;

 private:
  std::vector<std::uint32_t> by_name_;  // indices of tensors_ in the order of their names
};

}  // namespace cairn
