// safetensors, the format: a JSON header and raw little-endian tensors.
// Source: huggingface/safetensors README, "Format".
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tensor/view.h"

namespace cairn {

struct SafetensorsEntry {
  std::string name;
  TensorView view;  // row-major; points into the bytes, may be unaligned
};

/// Parses a whole file; views point into `bytes`, in the order of the data. Throws invalid_argument naming tensor,
/// field and offset; unsupported for an element type that Cairn has not.
std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> bytes);

}  // namespace cairn
