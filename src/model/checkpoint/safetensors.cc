#include "model/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace cairn {
namespace {

using ParseEvent = nlohmann::json::parse_event_t;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::uint64_t kMaxDimension = std::uint64_t{1} << 40, kMaxElements = std::uint64_t{1} << 48;
constexpr int kMaxDepth = 3;  // header, tensor, shape

struct Placed {
  SafetensorsEntry entry;
  std::uint64_t begin = 0, end = 0;  // within the data
};

DType dtype_of(const std::string& code, const std::string& tensor) {
  static constexpr std::array<std::pair<std::string_view, DType>, 8> codes = {{{"F32", DType::f32},
                                                                               {"F16", DType::f16},
                                                                               {"BF16", DType::bf16},
                                                                               {"F8_E4M3", DType::f8_e4m3},
                                                                               {"I8", DType::i8},
                                                                               {"U8", DType::u8},
                                                                               {"I32", DType::i32},
                                                                               {"I64", DType::i64}}};
  for (auto [known, dtype] : codes)
    if (known == code) return dtype;
  fail(ErrorKind::unsupported, "safetensors: tensor '{}' is {}; supported: F32 F16 BF16 F8_E4M3 I8 U8 I32 I64", tensor,
       code);
}

std::uint64_t size_field(const nlohmann::json& value, const std::string& tensor, const char* field) {
  if (!value.is_number_unsigned())
    fail_invalid("safetensors: tensor '{}': {} holds {}, expected a size", tensor, field, value.dump());
  return value.get<std::uint64_t>();
}

Shape read_shape(const nlohmann::json& sizes, const std::string& tensor) {
  if (sizes.size() > kMaxRank)
    fail_invalid("safetensors: tensor '{}' has {} dimensions; at most {}", tensor, sizes.size(), kMaxRank);
  std::vector<std::int64_t> dims;
  std::uint64_t elements = 1;
  for (const auto& dim : sizes) {
    std::uint64_t size = size_field(dim, tensor, "shape");
    // Empty dimensions count as one, so that no product of some of the dimensions overflows either.
    if (size > kMaxDimension || __builtin_mul_overflow(elements, std::max<std::uint64_t>(size, 1), &elements) ||
        elements > kMaxElements)
      fail_invalid("safetensors: tensor '{}': a dimension of {} is too large", tensor, size);
    dims.push_back(static_cast<std::int64_t>(size));
  }
  return Shape(dims);
}

Placed read_entry(const std::string& name, const nlohmann::json& fields, std::span<const std::byte> data) {
  auto has = [&](const char* key, bool (nlohmann::json::*is)() const noexcept) {
    return fields.contains(key) && (fields[key].*is)();
  };
  if (!fields.is_object() || !has("dtype", &nlohmann::json::is_string) || !has("shape", &nlohmann::json::is_array) ||
      !has("data_offsets", &nlohmann::json::is_array) || fields["data_offsets"].size() != 2)
    fail_invalid("safetensors: tensor '{}' needs dtype, shape and data_offsets [begin, end]", name);
  Shape shape = read_shape(fields["shape"], name);
  DType dtype = dtype_of(fields["dtype"].get_ref<const std::string&>(), name);
  Placed placed;
  placed.begin = size_field(fields["data_offsets"][0], name, "data_offsets");
  placed.end = size_field(fields["data_offsets"][1], name, "data_offsets");
  auto need = static_cast<std::uint64_t>(byte_size(dtype, shape));
  if (placed.begin > placed.end || placed.end - placed.begin != need)
    fail_invalid("safetensors: tensor '{}': data_offsets {}..{} do not hold the {} bytes of its shape {}", name,
                 placed.begin, placed.end, need, to_string(shape));
  if (placed.end > data.size())
    fail_invalid(
        "safetensors: truncated: tensor '{}' needs bytes {}..{} of the data, but the file has {}; download it again",
        name, placed.begin, placed.end, data.size());
  placed.entry = {name, make_view(const_cast<std::byte*>(data.data()) + placed.begin, dtype, shape)};
  return placed;
}

nlohmann::json parse_header(const char* text, std::size_t size) {
  std::vector<std::string> names;
  auto check = [&](int depth, ParseEvent event, nlohmann::json& parsed) {
    if (depth > kMaxDepth) fail_invalid("safetensors: the header is nested too deeply");
    if (event == ParseEvent::key && depth == 1) names.push_back(parsed.get<std::string>());
    return true;
  };
  nlohmann::json header;
  try {
    header = nlohmann::json::parse(text, text + size, check);
  } catch (const nlohmann::json::exception& error) {
    fail_invalid("safetensors: the header, from byte 8, is not JSON: {}", error.what());
  }
  if (!header.is_object()) fail_invalid("safetensors: the header, from byte 8, is not a JSON object");
  std::sort(names.begin(), names.end());
  if (auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end())
    fail_invalid("safetensors: tensor '{}' appears twice", *twice);
  return header;
}

// The format wants the data filled from end to end: anything else is damage, or something hidden.
void check_cover(std::vector<Placed>& placed, std::uint64_t data_bytes) {
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t at = 0;
  for (const Placed& tensor : placed) {
    if (tensor.begin != at)
      fail_invalid("safetensors: tensor '{}' begins at byte {} of the data, the one before it ends at {}: they {}",
                   tensor.entry.name, tensor.begin, at, tensor.begin < at ? "overlap" : "leave a hole");
    at = tensor.end;
  }
  if (at != data_bytes)
    fail_invalid("safetensors: {} bytes of data belong to no tensor, from byte {} of the data", data_bytes - at, at);
}

}  // namespace

std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> bytes) {
  if (bytes.size() < 8)
    fail_invalid("safetensors: truncated: {} bytes, shorter than the header's length; download it again", bytes.size());
  std::uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), 8);
  if (header_bytes > kMaxHeaderBytes)
    fail_invalid("safetensors: a header of {} bytes (byte 0); at most {} are accepted", header_bytes, kMaxHeaderBytes);
  if (header_bytes > bytes.size() - 8)
    fail_invalid(
        "safetensors: truncated: the header needs {} bytes from byte 8, but the file has {}; download it again",
        header_bytes, bytes.size());
  nlohmann::json header = parse_header(reinterpret_cast<const char*>(bytes.data()) + 8, header_bytes);
  std::span<const std::byte> data = bytes.subspan(8 + header_bytes);
  std::vector<Placed> placed;
  for (const auto& [name, fields] : header.items())
    if (name != "__metadata__") placed.push_back(read_entry(name, fields, data));
  check_cover(placed, data.size());
  std::vector<SafetensorsEntry> entries;
  for (Placed& tensor : placed) entries.push_back(std::move(tensor.entry));
  return entries;
}

}  // namespace cairn
