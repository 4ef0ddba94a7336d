#include "cli/model_names.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/error.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::vector<std::string> known_models(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, ignored))
    if (entry.path().extension() == ".gguf" || fs::exists(entry.path() / "config.json", ignored))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string model_directory() {
  if (const char* set = std::getenv("CAIRN_MODEL_DIR"); set && *set) return set;
  const char* home = std::getenv("HOME");
  return std::string(home ? home : ".") + "/.cache/cairn/models";
}

std::string resolve_model(const std::string& model) {
  std::error_code ignored;
  if (model.empty())
    fail_invalid("no model is named: give MODEL, a path or the name of a model in {}", model_directory());
  if (fs::exists(model, ignored)) return model;
  const std::string directory = model_directory();
  const std::vector<std::string> names = known_models(directory);
  std::vector<std::string> matches;
  for (const std::string& name : names) {
    if (lower(name) == lower(model) || lower(name) == lower(model) + ".gguf") return directory + "/" + name;
    if (lower(name).starts_with(lower(model))) matches.push_back(name);
  }
  if (matches.size() == 1) return directory + "/" + matches.front();
  if (matches.size() > 1) fail(ErrorKind::not_found, "model '{}' could be any of: {}", model, fmt::join(matches, ", "));
  fail(ErrorKind::not_found, "model '{}' is neither a path nor one of the models in {}: {}", model, directory,
       names.empty() ? "(none there)" : fmt::format("{}", fmt::join(names, ", ")));
}

}  // namespace cairn
