#include "model/checkpoint/checkpoint.h"

#include <filesystem>

#include "base/error.h"
#include "model/checkpoint/readers.h"

namespace cairn {

const TensorEntry* Checkpoint::find(std::string_view name) const {
  for (const TensorEntry& tensor : tensors_)
    if (tensor.name == name) return &tensor;
  return nullptr;
}

std::unique_ptr<Checkpoint> Checkpoint::open(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) fail(ErrorKind::not_found, "no model at '{}'", path);
  try {
    return std::filesystem::is_directory(path, ignored) ? open_hf_folder(path) : open_gguf(path);
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(path)) throw;
    throw Error(error.kind(), path + ": " + error.what());
  }
}

}  // namespace cairn
