#include "model/checkpoint/quantization.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "model/checkpoint/config_fields.h"

namespace cairn {
namespace {

using nlohmann::json;

/// An object inside quantization_config, with its path for messages.
class Settings {
 public:
  Settings(const json& object, std::string path) : path_(std::move(path)), fields_(object, path_) {}

  /// Refuses a value that is none of `accepted`; null in it accepts an absent key.
  void expect(const char* key, std::initializer_list<json> accepted) const {
    const json* found = fields_.find(key);
    const json value = found ? *found : json();
    if (std::find(accepted.begin(), accepted.end(), value) != accepted.end()) return;
    std::vector<std::string> texts;
    for (const json& one : accepted) texts.push_back(one.is_null() ? "nothing" : one.dump());
    fail(ErrorKind::unsupported, "{}: {} is {}; supported: {}", path_, key,
         found ? shorten(value.dump(), 60) : "missing", fmt::join(texts, ", "));
  }
  /// Refuses a key that is there with something in it.
  void expect_nothing(const char* key) const {
    const json* found = fields_.find(key);
    if (found && !found->empty() && *found != false)
      fail(ErrorKind::unsupported, "{}: {} is {}; it must be absent or empty", path_, key, shorten(found->dump(), 60));
  }
  const json* find(const char* key) const { return fields_.find(key); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  ConfigFields fields_;
};

void check_activations(const Settings& group) {
  const json* activations = group.find("input_activations");
  if (!activations) return;
  const Settings settings(*activations, group.path() + ".input_activations");
  settings.expect("num_bits", {8});
  settings.expect("type", {"int", "float", nullptr});
  // Beside 8-bit floats activations stay bf16 or f32, whatever their scales would be.
  if (settings.find("type") && *settings.find("type") == "float") return;
  settings.expect("dynamic", {true});
  settings.expect("strategy", {"token"});
  settings.expect("symmetric", {true, nullptr});
}

void check_group(const json& group, const std::string& name, const json& whole_format) {
  const Settings settings(group, "config.json: quantization_config.config_groups." + name);
  const json* weights = settings.find("weights");
  if (!weights) fail(ErrorKind::unsupported, "{}: weights is missing", settings.path());
  const Settings scheme(*weights, settings.path() + ".weights");
  json format = settings.find("format") ? *settings.find("format") : whole_format;
  if (format == "int-quantized") {
    scheme.expect("num_bits", {8});
    scheme.expect("type", {"int", nullptr});
    scheme.expect("strategy", {"channel", "tensor"});
    scheme.expect("symmetric", {true, nullptr});
  } else if (format == "pack-quantized") {
    scheme.expect("num_bits", {4});
    scheme.expect("type", {"int", nullptr});
    scheme.expect("strategy", {"group"});
    scheme.expect("group_size", {32, 64, 128});
  } else if (format == "float-quantized") {
    scheme.expect("num_bits", {8});
    scheme.expect("type", {"float"});
    scheme.expect("strategy", {"tensor", "channel", "block"});
    scheme.expect("block_structure", {nullptr, {128, 128}, "128x128"});
  } else {
    fail(ErrorKind::unsupported, "{}: format is {}; supported: int-quantized, pack-quantized, float-quantized",
         settings.path(), shorten(format.dump(), 60));
  }
  scheme.expect("dynamic", {false, nullptr});
  settings.expect_nothing("output_activations");
  check_activations(settings);
}

void check_compressed_tensors(const Settings& settings) {
  settings.expect("quantization_status", {"compressed", nullptr});
  for (const char* key : {"kv_cache_scheme", "sparsity_config", "transform_config", "moe_sparsity_config"})
    settings.expect_nothing(key);
  const json* groups = settings.find("config_groups");
  if (!groups || !groups->is_object() || groups->empty())
    fail_invalid("{}: config_groups is missing or empty", settings.path());
  const json* format = settings.find("format");
  for (const auto& [name, group] : groups->items()) check_group(group, name, format ? *format : json());
}

void check_gptq(const Settings& settings) {
  settings.expect("bits", {4});
  settings.expect("group_size", {32, 64, 128});
  settings.expect("checkpoint_format", {"gptq", "gptq_v2", nullptr});
  settings.expect("is_marlin_format", {false, nullptr});
  settings.expect("pack_dtype", {"int32", nullptr});
  settings.expect_nothing("dynamic");
}

void check_awq(const Settings& settings) {
  settings.expect(settings.find("w_bit") ? "w_bit" : "bits", {4});
  settings.expect(settings.find("q_group_size") ? "q_group_size" : "group_size", {32, 64, 128});
  settings.expect("version", {"gemm", "GEMM", nullptr});
}

void check_fp8(const Settings& settings) {
  settings.expect("fmt", {"e4m3", nullptr});
  settings.expect("activation_scheme", {"dynamic", "static", nullptr});
  settings.expect("weight_block_size", {{128, 128}, nullptr});
}

}  // namespace

QuantizationConfig parse_quantization(const json& config) {
  const json* object = ConfigFields(config, "config.json").find("quantization_config");
  if (!object) return {};
  const Settings settings(*object, "config.json: quantization_config");
  settings.expect("quant_method", {"compressed-tensors", "gptq", "awq", "fp8"});
  const std::string method = *settings.find("quant_method");
  if (method == "compressed-tensors")
    return check_compressed_tensors(settings), QuantizationConfig{QuantizationMethod::compressed_tensors};
  if (method == "awq") return check_awq(settings), QuantizationConfig{QuantizationMethod::awq};
  if (method == "fp8") return check_fp8(settings), QuantizationConfig{QuantizationMethod::fp8};
  check_gptq(settings);
  const json* format = settings.find("checkpoint_format");
  return {QuantizationMethod::gptq, format && *format == "gptq_v2" ? 0 : 1};
}

}  // namespace cairn
