#include "model/checkpoint/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <set>
#include <utility>

#include "base/error.h"

namespace cairn {
namespace {

constexpr std::uint64_t kMaxKeyBytes = 65535, kMaxNameBytes = 1024, kMaxKeys = 1 << 16, kMaxTensors = 1 << 20;
constexpr int kMaxArrayDepth = 3;

enum ValueType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t offset() const { return offset_; }
  std::size_t left() const { return bytes_.size() - offset_; }

  template <typename T>
  T number(const char* what) {
    need(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof value);
    offset_ += sizeof value;
    return value;
  }

  std::string text(const char* what, std::uint64_t limit) {
    std::size_t at = offset_;
    auto length = number<std::uint64_t>(what);
    if (length > limit) fail_invalid("GGUF: {} at byte {} has {} bytes; at most {} are accepted", what, at, length, limit);
    need(length, what);
    std::string value(reinterpret_cast<const char*>(bytes_.data()) + offset_, length);
    offset_ += length;
    return value;
  }

  GgufValue value(std::uint32_t type, int depth) {
    switch (type) {
      case u8: return {std::int64_t{number<std::uint8_t>("a u8 value")}};
      case i8: return {std::int64_t{number<std::int8_t>("an i8 value")}};
      case u16: return {std::int64_t{number<std::uint16_t>("a u16 value")}};
      case i16: return {std::int64_t{number<std::int16_t>("an i16 value")}};
      case u32: return {std::int64_t{number<std::uint32_t>("a u32 value")}};
      case i32: return {std::int64_t{number<std::int32_t>("an i32 value")}};
      case f32: return {double{number<float>("an f32 value")}};
      case f64: return {number<double>("an f64 value")};
      case i64: return {number<std::int64_t>("an i64 value")};
      case u64: {
        std::size_t at = offset_;
        auto wide = number<std::uint64_t>("a u64 value");
        if (wide > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
          fail_invalid("GGUF: the u64 value at byte {} is {}, beyond any size", at, wide);
        return {static_cast<std::int64_t>(wide)};
      }
      case boolean: {
        std::size_t at = offset_;
        auto byte = number<std::uint8_t>("a bool value");
        if (byte > 1) fail_invalid("GGUF: the bool value at byte {} is {}, expected 0 or 1", at, byte);
        return {byte == 1};
      }
      case string: return {text("a string value", left())};
      case array: return elements(depth);
      default: fail_invalid("GGUF: value type {} before byte {} is unknown", type, offset_);
    }
  }

 private:
  void need(std::uint64_t count, const char* what) const {
    if (count > left())
      fail_invalid("GGUF: truncated: {} at byte {} needs {} bytes, {} are left; download the file again", what, offset_, count, left());
  }

  GgufValue elements(int depth) {
    if (depth >= kMaxArrayDepth) fail_invalid("GGUF: arrays at byte {} are nested deeper than {}", offset_, kMaxArrayDepth);
    auto type = number<std::uint32_t>("an array's element type");
    std::size_t at = offset_;
    auto count = number<std::uint64_t>("an array's length");
    // The smallest encodings: a byte for numbers, eight for strings, twelve for arrays.
    std::uint64_t least = type == string ? 8 : type == array ? 12 : 1;
    if (count > left() / least) fail_invalid("GGUF: the array at byte {} claims {} elements, but {} bytes are left", at, count, left());
    GgufArray values;
    values.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(value(type, depth + 1));
    return {std::move(values)};
  }

  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
};

DType tensor_dtype(std::uint32_t type, const std::string& name) {
  static constexpr std::array<std::pair<std::uint32_t, DType>, 9> types = {{{0, DType::f32}, {1, DType::f16}, {2, DType::q4_0},
      {3, DType::q4_1}, {8, DType::q8_0}, {12, DType::q4_k}, {13, DType::q5_k}, {14, DType::q6_k}, {30, DType::bf16}}};
  for (auto [code, dtype] : types)
    if (code == type) return dtype;
  fail(ErrorKind::unsupported, "GGUF: tensor '{}' has type {}; supported: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q4_K Q5_K Q6_K", name, type);
}

struct PendingTensor {
  GgufTensor tensor;
  std::uint64_t offset = 0;
};

PendingTensor read_tensor_info(Reader& reader) {
  PendingTensor pending;
  std::size_t at = reader.offset();
  pending.tensor.name = reader.text("a tensor's name", kMaxNameBytes);
  auto rank = reader.number<std::uint32_t>("a tensor's number of dimensions");
  if (rank > 4) fail_invalid("GGUF: tensor '{}' at byte {} has {} dimensions; at most 4", pending.tensor.name, at, rank);
  std::vector<std::int64_t> dims(rank);
  std::uint64_t elements = 1;
  for (std::uint32_t d = rank; d-- > 0;) {  // stored innermost first
    auto size = reader.number<std::uint64_t>("a tensor's dimension");
    if (size > (std::uint64_t{1} << 40) || __builtin_mul_overflow(elements, size, &elements) || elements > (std::uint64_t{1} << 48))
      fail_invalid("GGUF: tensor '{}' at byte {}: dimension of {} is too large", pending.tensor.name, at, size);
    dims[d] = static_cast<std::int64_t>(size);
  }
  DType dtype = tensor_dtype(reader.number<std::uint32_t>("a tensor's type"), pending.tensor.name);
  if (int block = info(dtype).block_elements; block > 1 && (rank == 0 || dims.back() % block != 0))
    fail_invalid("GGUF: tensor '{}': rows of {} are not whole blocks of {} ({})", pending.tensor.name, rank ? dims.back() : 1, block, name(dtype));
  pending.tensor.view = make_view(nullptr, dtype, Shape(dims));
  pending.offset = reader.number<std::uint64_t>("a tensor's offset");
  return pending;
}

// Sets the views' pointers; refuses what lies outside or on top of another.
void place_tensors(std::vector<PendingTensor>& pending, std::span<const std::byte> bytes, std::size_t start, std::uint64_t alignment) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for (PendingTensor& entry : pending) {
    TensorView& view = entry.tensor.view;
    auto size = static_cast<std::uint64_t>(byte_size(view.dtype, view.shape));
    if (entry.offset % alignment != 0)
      fail_invalid("GGUF: tensor '{}': offset {} is not a multiple of the alignment {}", entry.tensor.name, entry.offset, alignment);
    if (start > bytes.size() || entry.offset > bytes.size() - start || size > bytes.size() - start - entry.offset)
      fail_invalid("GGUF: truncated: tensor '{}' needs bytes {}..{}, but the file has {}; download it again", entry.tensor.name,
                   start + entry.offset, start + entry.offset + size, bytes.size());
    view.data = const_cast<std::byte*>(bytes.data()) + start + entry.offset;
    if (size > 0) ranges.emplace_back(entry.offset, entry.offset + size);
  }
  std::sort(ranges.begin(), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i)
    if (ranges[i].first < ranges[i - 1].second)
      fail_invalid("GGUF: two tensors overlap at byte {}", start + ranges[i].first);
}

template <typename T>
const T& typed(const GgufFile& file, std::string_view key, const char* expected) {
  auto found = file.values.find(key);
  if (found == file.values.end()) fail_invalid("GGUF: key '{}' is missing", key);
  const T* value = std::get_if<T>(&found->second.data);
  if (!value) fail_invalid("GGUF: key '{}' is not {}", key, expected);
  return *value;
}

}  // namespace

GgufFile parse_gguf(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  if (reader.left() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0) fail_invalid("GGUF: the file does not begin with 'GGUF'");
  reader.number<std::uint32_t>("the magic");
  auto version = reader.number<std::uint32_t>("the version");
  if (version != 2 && version != 3) fail(ErrorKind::unsupported, "GGUF: version {}; 2 and 3 are supported", version);
  auto tensor_count = reader.number<std::uint64_t>("the number of tensors");
  auto key_count = reader.number<std::uint64_t>("the number of keys");
  if (tensor_count > kMaxTensors || tensor_count > reader.left() / 24)
    fail_invalid("GGUF: {} tensors claimed at byte 8, more than the file can hold", tensor_count);
  if (key_count > kMaxKeys || key_count > reader.left() / 13)
    fail_invalid("GGUF: {} keys claimed at byte 16, more than the file can hold", key_count);
  GgufFile file;
  for (std::uint64_t i = 0; i < key_count; ++i) {
    std::size_t at = reader.offset();
    std::string key = reader.text("a key", kMaxKeyBytes);
    auto type = reader.number<std::uint32_t>("a value's type");
    GgufValue value = reader.value(type, 0);
    if (!file.values.emplace(key, std::move(value)).second) fail_invalid("GGUF: key '{}' at byte {} appears twice", key, at);
  }
  std::vector<PendingTensor> pending;
  pending.reserve(tensor_count);
  std::set<std::string> names;
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    pending.push_back(read_tensor_info(reader));
    if (!names.insert(pending.back().tensor.name).second) fail_invalid("GGUF: tensor '{}' appears twice", pending.back().tensor.name);
  }
  std::int64_t alignment = file.integer_or("general.alignment", 32);
  if (alignment < 8 || alignment > 65536 || alignment % 8 != 0)
    fail_invalid("GGUF: general.alignment is {}; a multiple of 8 up to 65536 is expected", alignment);
  auto unit = static_cast<std::uint64_t>(alignment);
  place_tensors(pending, bytes, (reader.offset() + unit - 1) / unit * unit, unit);
  for (PendingTensor& entry : pending) file.tensors.push_back(std::move(entry.tensor));
  return file;
}

std::int64_t GgufFile::integer(std::string_view key) const { return typed<std::int64_t>(*this, key, "an integer"); }
std::int64_t GgufFile::integer_or(std::string_view key, std::int64_t fallback) const { return has(key) ? integer(key) : fallback; }
double GgufFile::real(std::string_view key) const { return typed<double>(*this, key, "a float"); }
double GgufFile::real_or(std::string_view key, double fallback) const { return has(key) ? real(key) : fallback; }
bool GgufFile::boolean_or(std::string_view key, bool fallback) const {
  return has(key) ? typed<bool>(*this, key, "a bool") : fallback;
}
const std::string& GgufFile::text(std::string_view key) const { return typed<std::string>(*this, key, "a string"); }

std::vector<std::string> GgufFile::texts(std::string_view key) const {
  std::vector<std::string> result;
  for (const GgufValue& value : typed<GgufArray>(*this, key, "an array")) {
    const auto* text = std::get_if<std::string>(&value.data);
    if (!text) fail_invalid("GGUF: element {} of '{}' is not a string", result.size(), key);
    result.push_back(*text);
  }
  return result;
}

std::vector<int> GgufFile::integers(std::string_view key) const {
  std::vector<int> result;
  for (const GgufValue& value : typed<GgufArray>(*this, key, "an array")) {
    const auto* number = std::get_if<std::int64_t>(&value.data);
    if (!number || *number < INT32_MIN || *number > INT32_MAX) fail_invalid("GGUF: element {} of '{}' is not a 32-bit integer", result.size(), key);
    result.push_back(static_cast<int>(*number));
  }
  return result;
}

}  // namespace cairn
