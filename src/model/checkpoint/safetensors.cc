#include "model/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace cairn {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;

DType dtype_of(const std::string& code, const std::string& tensor) {
  static constexpr std::array<std::pair<std::string_view, DType>, 7> codes = {{{"F32", DType::f32}, {"F16", DType::f16},
      {"BF16", DType::bf16}, {"I8", DType::i8}, {"U8", DType::u8}, {"I32", DType::i32}, {"I64", DType::i64}}};
  for (auto [known, dtype] : codes)
    if (known == code) return dtype;
  fail(ErrorKind::unsupported, "safetensors: tensor '{}' is {}; supported: F32 F16 BF16 I8 U8 I32 I64", tensor, code);
}

std::uint64_t size_field(const nlohmann::json& value, const std::string& tensor, const char* field) {
  if (!value.is_number_unsigned()) fail_invalid("safetensors: tensor '{}': {} holds {}, expected a size", tensor, field, value.dump());
  return value.get<std::uint64_t>();
}

SafetensorsEntry read_entry(const std::string& name, const nlohmann::json& fields, std::span<const std::byte> data,
                            std::pair<std::uint64_t, std::uint64_t>& range) {
  if (!fields.is_object() || !fields.contains("dtype") || !fields["dtype"].is_string() || !fields.contains("shape") ||
      !fields["shape"].is_array() || !fields.contains("data_offsets") || !fields["data_offsets"].is_array() || fields["data_offsets"].size() != 2)
    fail_invalid("safetensors: tensor '{}' needs dtype, shape and data_offsets [begin, end]", name);
  std::vector<std::int64_t> dims;
  std::uint64_t elements = 1;
  if (fields["shape"].size() > kMaxRank) fail_invalid("safetensors: tensor '{}' has {} dimensions; at most {}", name, fields["shape"].size(), kMaxRank);
  for (const auto& dim : fields["shape"]) {
    std::uint64_t size = size_field(dim, name, "shape");
    if (size > (std::uint64_t{1} << 40) || __builtin_mul_overflow(elements, size, &elements) || elements > (std::uint64_t{1} << 48))
      fail_invalid("safetensors: tensor '{}': dimension of {} is too large", name, size);
    dims.push_back(static_cast<std::int64_t>(size));
  }
  DType dtype = dtype_of(fields["dtype"], name);
  range = {size_field(fields["data_offsets"][0], name, "data_offsets"), size_field(fields["data_offsets"][1], name, "data_offsets")};
  std::uint64_t need = elements * static_cast<std::uint64_t>(info(dtype).block_bytes);
  if (range.first > range.second || range.second - range.first != need)
    fail_invalid("safetensors: tensor '{}': data_offsets {}..{} hold {} bytes, its shape needs {}", name, range.first, range.second,
                 range.second - range.first, need);
  if (range.second > data.size())
    fail_invalid("safetensors: truncated: tensor '{}' ends at byte {} of the data, but the file has {}; download it again", name, range.second, data.size());
  return {name, make_view(const_cast<std::byte*>(data.data()) + range.first, dtype, Shape(dims))};
}

}  // namespace

std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> bytes) {
  if (bytes.size() < 8) fail_invalid("safetensors: {} bytes, shorter than the header's length field", bytes.size());
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), 8);
  if (header_bytes > kMaxHeaderBytes) fail_invalid("safetensors: header of {} bytes; at most {} are accepted", header_bytes, kMaxHeaderBytes);
  if (header_bytes > bytes.size() - 8)
    fail_invalid("safetensors: truncated: the header needs {} bytes from byte 8, but the file has {}; download it again", header_bytes, bytes.size());
  const char* text = reinterpret_cast<const char*>(bytes.data()) + 8;
  // Depth is bounded by refusing anything nested deeper than the format needs; duplicates by a set of names.
  std::vector<std::string> names;
  auto callback = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    if (depth > 4) fail_invalid("safetensors: the header is nested too deeply");
    if (event == nlohmann::json::parse_event_t::key && depth == 1) names.push_back(parsed.get<std::string>());
    return true;
  };
  nlohmann::json header;
  try {
    header = nlohmann::json::parse(text, text + header_bytes, callback);
  } catch (const nlohmann::json::exception& error) {
    fail_invalid("safetensors: the header is not JSON: {}", error.what());
  }
  if (!header.is_object()) fail_invalid("safetensors: the header is not a JSON object");
  std::sort(names.begin(), names.end());
  if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    fail_invalid("safetensors: tensor '{}' appears twice", *twice);
  std::span<const std::byte> data = bytes.subspan(8 + header_bytes);
  std::vector<SafetensorsEntry> entries;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (const auto& [name, fields] : header.items()) {
    if (name == "__metadata__") continue;
    std::pair<std::uint64_t, std::uint64_t> range;
    entries.push_back(read_entry(name, fields, data, range));
    if (range.first < range.second) ranges.push_back(range);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second) fail_invalid("safetensors: two tensors overlap at byte {} of the data", ranges[i].first);
  return entries;
}

}  // namespace cairn
