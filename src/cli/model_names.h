// Which file or folder a model's name on the command line means.
#pragma once

#include <string>

namespace cairn {

/// Where models are kept: $CAIRN_MODEL_DIR, else ~/.cache/cairn/models.
std::string model_directory();

/// `model` is a path, or the name of a model in model_directory(): whole, without .gguf, or a beginning of it that only
/// one model has, in any case. Throws not_found listing what is there.
std::string resolve_model(const std::string& model);

}  // namespace cairn
