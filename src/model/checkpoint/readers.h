// The two kinds of checkpoint, and what they share.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "model/checkpoint/checkpoint.h"

namespace cairn {

std::unique_ptr<Checkpoint> open_gguf(const std::string& path);
std::unique_ptr<Checkpoint> open_hf_folder(const std::string& path);

/// config.json to ModelConfig. Throws invalid_argument naming the key, unsupported for what would change the
/// computation.
ModelConfig parse_config(const nlohmann::json& config);
/// eos/bos/pad and sampling defaults of generation_config.json, or of config.json; `file` is its name for messages.
GenerationConfig parse_generation_config(const nlohmann::json& generation, std::string_view file);

/// Bounds on sizes that hold for every architecture.
void check_config(const ModelConfig& config);
/// Every tensor that the architecture needs is there with the shape that the configuration gives it, and none is there
/// that it would have to leave out. Throws not_found, invalid_argument or unsupported, naming tensor, expected and
/// actual shape.
void check_model_tensors(const ModelConfig& config, std::span<const TensorEntry> tensors);
/// The dtype that most of the tensors' bytes have.
DType majority_dtype(std::span<const TensorEntry> tensors);

/// Hugging Face's name of a GGUF tensor: "blk.3.attn_q.weight" is "model.layers.3.self_attn.q_proj.weight". Names that
/// are not known stay as they are.
std::string hugging_face_name(const std::string& gguf_name);

}  // namespace cairn
