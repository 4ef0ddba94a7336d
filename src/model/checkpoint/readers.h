// The two kinds of checkpoint, and what they share.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "model/checkpoint/checkpoint.h"

namespace cairn {

std::unique_ptr<Checkpoint> open_gguf(const std::string& path);
std::unique_ptr<Checkpoint> open_hf_folder(const std::string& path);

/// config.json to ModelConfig. Throws invalid_argument naming the key, unsupported for what would change the computation.
ModelConfig parse_config(const nlohmann::json& config);
/// eos/bos/pad and sampling defaults of generation_config.json (or config.json).
GenerationConfig parse_generation_config(const nlohmann::json& generation);

/// Bounds on sizes that hold for every architecture.
void check_config(const ModelConfig& config);
/// Every tensor that the architecture needs is there with the shape that the configuration gives it. Throws not_found or
/// invalid_argument naming tensor, expected and actual shape.
void check_model_tensors(const ModelConfig& config, std::span<const TensorEntry> tensors);
/// The dtype that most of the tensors' bytes have.
DType majority_dtype(std::span<const TensorEntry> tensors);

}  // namespace cairn
