#include "model/checkpoint/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "base/error.h"
#include "model/checkpoint/readers.h"

namespace cairn {

void Checkpoint::index_tensors() {
  by_name_.resize(tensors_.size());
  std::iota(by_name_.begin(), by_name_.end(), 0u);
  std::sort(by_name_.begin(), by_name_.end(), [&](auto a, auto b) { return tensors_[a].name < tensors_[b].name; });
  auto twice = std::adjacent_find(by_name_.begin(), by_name_.end(),
                                  [&](auto a, auto b) { return tensors_[a].name == tensors_[b].name; });
  if (twice != by_name_.end()) fail_invalid("{}: tensor '{}' is there twice", path_, tensors_[*twice].name);
}

const TensorEntry* Checkpoint::find(std::string_view name) const {
  auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                [&](auto index, std::string_view wanted) { return tensors_[index].name < wanted; });
  return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
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
