// quantization_config of a config.json: how the weights are stored that are not plain numbers.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

namespace cairn {

enum class QuantizationMethod : std::uint8_t { none, compressed_tensors, gptq, awq, fp8 };

/// What the tensors' names, dtypes and shapes do not tell by themselves.
struct QuantizationConfig {
  QuantizationMethod method = QuantizationMethod::none;
  int zero_point_offset = 0;  // to be added to stored zero points: 1 in GPTQ's first format
};

/// Reads it from config.json. Throws unsupported naming the key, its value and what is supported, for whatever would
/// make other weights than quantized_weights.h reads. The modules that stay unquantized are not read: the tensors tell.
QuantizationConfig parse_quantization(const nlohmann::json& config);

}  // namespace cairn
