// GGUF, the format: bytes to key/values and tensor entries, strictly bounded.
// Source: the GGUF specification (ggml-org/ggml docs/gguf.md), versions 2 and 3, little-endian.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "tensor/view.h"

namespace cairn {

/// Integers of every width are held as int64 (u64 above its range is refused), floats as double; arrays by what they
/// hold (of bools as 0 and 1; arrays of arrays as values).
struct GgufValue {
  std::variant<std::int64_t, double, bool, std::string, std::vector<std::int64_t>, std::vector<double>,
               std::vector<std::string>, std::vector<GgufValue>>
      data;
};

struct GgufTensor {
  std::string name;
  TensorView view;  // row-major, dimensions outermost first; points into the file's bytes
};

/// A parsed file. Typed getters throw invalid_argument naming the key and what was expected.
struct GgufFile {
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<GgufTensor> tensors;

  bool has(std::string_view key) const { return values.find(key) != values.end(); }
  std::int64_t integer(std::string_view key) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback) const;
  double real(std::string_view key) const;
  double real_or(std::string_view key, double fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;
  const std::string& text(std::string_view key) const;
  const std::vector<std::string>& texts(std::string_view key) const;
  std::vector<int> integers(std::string_view key) const;
};

/// Parses `bytes`; views point into them. Throws invalid_argument (or unsupported, for versions and tensor types) with
/// the byte offset and the field. What it allocates is at most some ten times what the file spends on the same thing.
GgufFile parse_gguf(std::span<const std::byte> bytes);

}  // namespace cairn
