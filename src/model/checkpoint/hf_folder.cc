// A Hugging Face folder as a model: config.json, *.safetensors with index, tokenizer and generation files.
#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/checkpoint/config_fields.h"
#include "model/checkpoint/quantized_weights.h"
#include "model/checkpoint/readers.h"
#include "model/checkpoint/safetensors.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using ParseEvent = nlohmann::json::parse_event_t;

constexpr const char* kIndex = "model.safetensors.index.json";

// Parses without what `skip` names at the top (nothing is named ""); refuses deep nesting before it costs anything.
nlohmann::json parse_json(const std::string& text, const std::string& path, std::string_view skip = {}) {
  auto keep = [&](int depth, ParseEvent event, nlohmann::json& parsed) {
    if (depth > 64) fail_invalid("{}: nested deeper than 64", path);
    return event != ParseEvent::key || depth != 1 || parsed.get_ref<const std::string&>() != skip;
  };
  try {
    return nlohmann::json::parse(text, keep);
  } catch (const nlohmann::json::exception& error) {
    fail_invalid("{}: not JSON: {}", path, error.what());
  }
}

class HfCheckpoint final : public Checkpoint {
 public:
  explicit HfCheckpoint(const std::string& folder) : folder_(folder) {
    path_ = folder;
    format_ = "safetensors";
    raw_config_ = read_json("config.json");
    config_ = parse_config(raw_config_);
    check_config(config_);
    const QuantizationConfig quantization = parse_quantization(raw_config_);
    read_weights();
    quantized_ = join_quantized_weights(quantization, tensors_);
    index_tensors();
    check_model_tensors(config_, tensors_);
    config_.dtype = majority_dtype(tensors_);
    read_generation();
    read_tokenizer();
    if (has("chat_template.jinja")) tokenizer_.chat_template = read_text_file(file("chat_template.jinja"));
  }

  nlohmann::ordered_json metadata() const override { return nlohmann::ordered_json::parse(raw_config_.dump()); }

  void drop(const TensorEntry& tensor) const override {
    if (!tensor.view.source) return drop(tensor.view);
    for (const auto& rows : quantized_)
      if (rows.get() == tensor.view.source)
        for (const TensorView& part : rows->parts()) drop(part);
  }

  std::string stamp() const override {
    std::string all;
    for (const MappedFile& mapped : files_) all += mapped.stamp() + "\n";
    return all;
  }

 private:
  using WeightMap = std::map<std::string, std::string>;  // of tensors to files

  void drop(const TensorView& stored) const {
    auto bytes = static_cast<std::size_t>(byte_size(stored.dtype, stored.shape));
    for (const MappedFile& mapped : files_) {
      auto all = mapped.bytes();
      if (stored.data >= all.data() && stored.data < all.data() + all.size()) mapped.drop({stored.data, bytes});
    }
  }
  std::string file(const std::string& name) const { return (fs::path(folder_) / name).string(); }
  bool has(const std::string& name) const {
    std::error_code ignored;
    return fs::exists(file(name), ignored);
  }
  nlohmann::json read_json(const std::string& name) const { return parse_json(read_text_file(file(name)), file(name)); }
  WeightMap read_index() const;
  void read_weights();
  void add_weights(const std::string& name);
  void read_generation();
  void read_tokenizer();
  void read_tokenizer_config(const ConfigFields& settings);
  std::optional<int> token_id(const ConfigFields& settings, const nlohmann::json& tokenizer, const char* key) const;

  std::string folder_;
  nlohmann::json raw_config_;
  std::vector<MappedFile> files_;
  std::vector<std::unique_ptr<QuantizedRows>> quantized_;
};

HfCheckpoint::WeightMap HfCheckpoint::read_index() const {
  nlohmann::json index = read_json(kIndex);
  const nlohmann::json* map = ConfigFields(index, file(kIndex)).find("weight_map");
  if (!map || !map->is_object()) fail_invalid("{}: weight_map is missing", file(kIndex));
  WeightMap result;
  for (const auto& [tensor, shard] : map->items()) {
    std::string name = shard.is_string() ? shard.get<std::string>() : "";
    // A shard is a file of this folder, nothing else.
    if (name.empty() || name.starts_with('.') || name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos)
      fail_invalid("{}: tensor '{}' lies in {}; the name of a file in the same folder is expected", file(kIndex),
                   tensor, shard.dump());
    result[tensor] = name;
  }
  return result;
}

void HfCheckpoint::read_weights() {
  if (!has(kIndex)) {
    if (!has("model.safetensors"))
      fail(ErrorKind::not_found, "{} has neither model.safetensors nor {}", folder_, kIndex);
    add_weights("model.safetensors");
    return index_tensors();
  }
  std::map<std::string_view, std::string_view> read;  // tensors to files, as they are
  WeightMap index = read_index();
  std::map<std::string_view, std::size_t> shards;
  for (const auto& [tensor, shard] : index) shards.emplace(shard, 0);
  for (auto& [shard, end] : shards) {
    add_weights(std::string(shard));
    end = tensors_.size();
  }
  index_tensors();
  std::size_t i = 0;
  for (const auto& [shard, end] : shards)
    for (; i < end; ++i) read[tensors_[i].name] = shard;
  for (const auto& [tensor, shard] : index) {
    auto found = read.find(tensor);
    if (found == read.end() || found->second != shard)
      fail_invalid("{}: tensor '{}' is not in {}; download the files again", file(kIndex), tensor, shard);
  }
}

void HfCheckpoint::add_weights(const std::string& name) {
  MappedFile mapped(file(name));
  try {
    for (SafetensorsEntry& entry : parse_safetensors(mapped.bytes()))
      tensors_.push_back({entry.name, entry.name, entry.view});
  } catch (const Error& error) {
    throw Error(error.kind(), file(name) + ": " + error.what());
  }
  files_.push_back(std::move(mapped));
}

void HfCheckpoint::read_generation() {
  GenerationConfig from_config = parse_generation_config(raw_config_, "config.json");
  generation_ = has("generation_config.json")
                    ? parse_generation_config(read_json("generation_config.json"), "generation_config.json")
                    : from_config;
  if (generation_.eos_token_ids.empty()) generation_.eos_token_ids = from_config.eos_token_ids;
  for (int id : generation_.eos_token_ids)
    if (id >= config_.vocab_size)
      fail_invalid("{}: eos_token_id {} is outside the vocabulary of {}", folder_, id, config_.vocab_size);
}

// The id of the token that tokenizer_config.json names under `key`, a string or an object with "content".
std::optional<int> HfCheckpoint::token_id(const ConfigFields& settings, const nlohmann::json& tokenizer,
                                          const char* key) const {
  const nlohmann::json* value = settings.find(key);
  if (!value) return std::nullopt;
  std::optional<std::string> text =
      value->is_object() ? ConfigFields(*value, "tokenizer_config.json").text_if("content") : settings.text_if(key);
  const nlohmann::json* added = ConfigFields(tokenizer, "tokenizer.json").find("added_tokens");
  if (!text || !added || !added->is_array()) return std::nullopt;
  for (const auto& token : *added) {
    ConfigFields fields(token, "tokenizer.json: added_tokens");
    if (fields.text("content") != *text) continue;
    std::int64_t id = fields.integer("id");
    if (id < 0 || id >= config_.vocab_size)
      fail_invalid("{}: token '{}' has id {}, outside the vocabulary of {}", file("tokenizer.json"), *text, id,
                   config_.vocab_size);
    return static_cast<int>(id);
  }
  return std::nullopt;
}

void HfCheckpoint::read_tokenizer() {
  if (!has("tokenizer.json")) return;  // inspecting and running by ids still works; the tokenizer says what is missing
  tokenizer_.json = read_text_file(file("tokenizer.json"));
  tokenizer_.bos_token_id = generation_.bos_token_id;
  tokenizer_.pad_token_id = generation_.pad_token_id;
  if (!generation_.eos_token_ids.empty()) tokenizer_.eos_token_id = generation_.eos_token_ids[0];
  if (!has("tokenizer_config.json")) return;
  nlohmann::json settings = read_json("tokenizer_config.json");
  read_tokenizer_config(ConfigFields(settings, "tokenizer_config.json"));
}

void HfCheckpoint::read_tokenizer_config(const ConfigFields& settings) {
  nlohmann::json tokenizer = parse_json(tokenizer_.json, file("tokenizer.json"), "model");
  if (auto id = token_id(settings, tokenizer, "bos_token")) tokenizer_.bos_token_id = id;
  if (auto id = token_id(settings, tokenizer, "pad_token")) tokenizer_.pad_token_id = id;
  if (auto id = token_id(settings, tokenizer, "unk_token")) tokenizer_.unknown_token_id = id;
  if (auto id = token_id(settings, tokenizer, "eos_token")) {
    tokenizer_.eos_token_id = id;
    std::vector<int>& stops = generation_.eos_token_ids;
    if (std::find(stops.begin(), stops.end(), *id) == stops.end()) stops.push_back(*id);
  }
  const nlohmann::json* chat = settings.find("chat_template");
  if (!chat || !chat->is_array()) {
    tokenizer_.chat_template = settings.text_if("chat_template").value_or("");
    return;
  }
  for (const auto& named : *chat) {  // several by name: the one called default
    ConfigFields fields(named, "tokenizer_config.json: chat_template");
    if (fields.text("name") == "default") tokenizer_.chat_template = fields.text("template");
  }
}

}  // namespace

std::unique_ptr<Checkpoint> open_hf_folder(const std::string& path) { return std::make_unique<HfCheckpoint>(path); }

}  // namespace cairn
