// A Hugging Face folder as a model: config.json, *.safetensors with index, tokenizer and generation files.
#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/checkpoint/readers.h"
#include "model/checkpoint/safetensors.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

nlohmann::json read_json(const std::string& path) {
  std::string text = read_text_file(path);
  auto bounded = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    if (depth > 64) fail_invalid("{}: nested deeper than 64", path);
    return true;
  };
  try {
    return nlohmann::json::parse(text, bounded);
  } catch (const nlohmann::json::exception& error) {
    fail_invalid("{}: not JSON: {}", path, error.what());
  }
}

class HfCheckpoint final : public Checkpoint {
 public:
  explicit HfCheckpoint(const std::string& folder) : folder_(folder) {
    path_ = folder;
    format_ = "safetensors";
    raw_config_ = read_json(file("config.json"));
    config_ = parse_config(raw_config_);
    check_config(config_);
    for (const std::string& name : weight_files()) add_weights(name);
    check_model_tensors(config_, tensors_);
    config_.dtype = majority_dtype(tensors_);
    read_generation();
    read_tokenizer();
  }

  nlohmann::ordered_json metadata() const override { return nlohmann::ordered_json::parse(raw_config_.dump()); }

  void drop(const TensorEntry& tensor) const override {
    auto bytes = static_cast<std::size_t>(byte_size(tensor.view.dtype, tensor.view.shape));
    for (const MappedFile& mapped : files_) {
      auto all = mapped.bytes();
      if (tensor.view.data >= all.data() && tensor.view.data < all.data() + all.size()) mapped.drop({tensor.view.data, bytes});
    }
  }

 private:
  std::string file(const std::string& name) const { return (fs::path(folder_) / name).string(); }
  bool has(const std::string& name) const { return fs::exists(file(name)); }
  std::vector<std::string> weight_files() const;
  void add_weights(const std::string& name);
  void read_generation();
  void read_tokenizer();
  std::optional<int> token_id(const nlohmann::json& settings, const nlohmann::json& tokenizer, const char* key) const;

  std::string folder_;
  nlohmann::json raw_config_;
  std::vector<MappedFile> files_;
};

std::vector<std::string> HfCheckpoint::weight_files() const {
  if (!has("model.safetensors.index.json")) {
    if (!has("model.safetensors"))
      fail(ErrorKind::not_found, "{} has neither model.safetensors nor model.safetensors.index.json", folder_);
    return {"model.safetensors"};
  }
  nlohmann::json index = read_json(file("model.safetensors.index.json"));
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    fail_invalid("{}: weight_map is missing", file("model.safetensors.index.json"));
  std::set<std::string> names;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    // A shard is a file of this folder, nothing else.
    if (!shard.is_string() || shard.get<std::string>().find_first_of("/\\") != std::string::npos || shard.get<std::string>().starts_with("."))
      fail_invalid("{}: tensor '{}' lies in {}; a file name in the same folder is expected", file("model.safetensors.index.json"), tensor, shard.dump());
    names.insert(shard.get<std::string>());
  }
  return {names.begin(), names.end()};
}

void HfCheckpoint::add_weights(const std::string& name) {
  MappedFile mapped(file(name));
  std::vector<SafetensorsEntry> entries;
  try {
    entries = parse_safetensors(mapped.bytes());
  } catch (const Error& error) {
    throw Error(error.kind(), file(name) + ": " + error.what());
  }
  for (SafetensorsEntry& entry : entries) {
    // lm_head of a tied model is a copy that transformers may have written; the embedding serves.
    if (config_.tie_word_embeddings && entry.name == "lm_head.weight") continue;
    if (find(entry.name)) fail_invalid("{}: tensor '{}' is in two files", file(name), entry.name);
    tensors_.push_back({entry.name, entry.name, entry.view});
  }
  files_.push_back(std::move(mapped));
}

void HfCheckpoint::read_generation() {
  generation_ = parse_generation_config(has("generation_config.json") ? read_json(file("generation_config.json")) : raw_config_);
  if (generation_.eos_token_ids.empty()) generation_.eos_token_ids = parse_generation_config(raw_config_).eos_token_ids;
  for (int id : generation_.eos_token_ids)
    if (id < 0 || id >= config_.vocab_size) fail_invalid("{}: eos_token_id {} is outside the vocabulary of {}", folder_, id, config_.vocab_size);
}

// The id of the token that tokenizer_config.json names under `key` (a string, or an object with "content").
std::optional<int> HfCheckpoint::token_id(const nlohmann::json& settings, const nlohmann::json& tokenizer, const char* key) const {
  auto found = settings.find(key);
  if (found == settings.end()) return std::nullopt;
  std::string text = found->is_string() ? found->get<std::string>() : found->is_object() ? found->value("content", "") : "";
  if (text.empty()) return std::nullopt;
  if (auto added = tokenizer.find("added_tokens"); added != tokenizer.end() && added->is_array())
    for (const auto& token : *added)
      if (token.is_object() && token.value("content", "") == text && token.contains("id") && token["id"].is_number_integer()) return token["id"].get<int>();
  return std::nullopt;
}

void HfCheckpoint::read_tokenizer() {
  TokenizerData& data = tokenizer_;
  if (!has("tokenizer.json")) return;  // inspecting and running by ids still works; the tokenizer says what is missing
  data.json = read_text_file(file("tokenizer.json"));
  data.bos_token_id = generation_.bos_token_id;
  data.pad_token_id = generation_.pad_token_id;
  if (!generation_.eos_token_ids.empty()) data.eos_token_id = generation_.eos_token_ids[0];
  if (has("tokenizer_config.json")) {
    nlohmann::json settings = read_json(file("tokenizer_config.json")), tokenizer = read_json(file("tokenizer.json"));
    if (!settings.is_object()) fail_invalid("{} is not a JSON object", file("tokenizer_config.json"));
    if (auto id = token_id(settings, tokenizer, "bos_token")) data.bos_token_id = id;
    if (auto id = token_id(settings, tokenizer, "eos_token")) {
      data.eos_token_id = id;
      if (std::find(generation_.eos_token_ids.begin(), generation_.eos_token_ids.end(), *id) == generation_.eos_token_ids.end())
        generation_.eos_token_ids.push_back(*id);
    }
    if (auto id = token_id(settings, tokenizer, "pad_token")) data.pad_token_id = id;
    if (auto found = settings.find("chat_template"); found != settings.end()) {
      if (found->is_string()) data.chat_template = found->get<std::string>();
      if (found->is_array())  // named templates: the default one
        for (const auto& named : *found)
          if (named.is_object() && named.value("name", "") == "default") data.chat_template = named.value("template", "");
    }
  }
  if (has("chat_template.jinja")) data.chat_template = read_text_file(file("chat_template.jinja"));
}

}  // namespace

std::unique_ptr<Checkpoint> open_hf_folder(const std::string& path) { return std::make_unique<HfCheckpoint>(path); }

}  // namespace cairn
