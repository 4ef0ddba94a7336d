#include "model/checkpoint/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <utility>

#include "base/error.h"
#include "model/checkpoint/gguf_reader.h"

namespace cairn {
namespace {

constexpr std::uint64_t kMaxKeyBytes = 65535, kMaxNameBytes = 1024, kMaxKeys = 1 << 16, kMaxTensors = 1 << 18;
constexpr std::uint64_t kMaxDimension = std::uint64_t{1} << 40, kMaxElements = std::uint64_t{1} << 48;
constexpr std::uint64_t kLeastKeyBytes = 8 + 1 + 4 + 1, kLeastTensorBytes = 8 + 1 + 4 + 4 + 8;

struct StoredType {
  std::uint32_t code;
  DType dtype;
};
constexpr std::array<StoredType, 9> kStoredTypes = {{{0, DType::f32},
                                                     {1, DType::f16},
                                                     {2, DType::q4_0},
                                                     {3, DType::q4_1},
                                                     {8, DType::q8_0},
                                                     {12, DType::q4_k},
                                                     {13, DType::q5_k},
                                                     {14, DType::q6_k},
                                                     {30, DType::bf16}}};

// ggml's names by code, for messages.
constexpr std::array<std::string_view, 40> kTypeNames = {
    "F32",    "F16",   "Q4_0",  "Q4_1",   "4",     "5",     "Q5_0",    "Q5_1",   "Q8_0",    "Q8_1",
    "Q2_K",   "Q3_K",  "Q4_K",  "Q5_K",   "Q6_K",  "Q8_K",  "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S",
    "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8",    "I16",   "I32",     "I64",    "F64",     "IQ1_M",
    "BF16",   "31",    "32",    "33",     "TQ1_0", "TQ2_0", "36",      "37",     "38",      "MXFP4"};

DType tensor_dtype(std::uint32_t code, const std::string& name) {
  for (const StoredType& type : kStoredTypes)
    if (type.code == code) return type.dtype;
  fail(ErrorKind::unsupported,
       "GGUF: tensor '{}' has type {}; supported: F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q4_K Q5_K Q6_K; requantize the model",
       name, code < kTypeNames.size() ? std::string(kTypeNames[code]) : std::to_string(code));
}

struct PendingTensor {
  GgufTensor tensor;
  std::uint64_t offset = 0;  // from the start of the data
};

Shape read_shape(GgufReader& reader, const std::string& name) {
  std::size_t at = reader.offset();
  auto rank = reader.number<std::uint32_t>();
  if (rank > 4) fail_invalid("GGUF: tensor '{}' at byte {} has {} dimensions; at most 4", name, at, rank);
  std::vector<std::int64_t> dims(rank);
  std::uint64_t elements = 1;
  for (std::uint32_t d = rank; d-- > 0;) {  // stored innermost first
    auto size = reader.number<std::uint64_t>();
    // Empty dimensions count as one, so that no product of some of the dimensions overflows either.
    if (size > kMaxDimension || __builtin_mul_overflow(elements, std::max<std::uint64_t>(size, 1), &elements) ||
        elements > kMaxElements)
      fail_invalid("GGUF: tensor '{}' at byte {}: a dimension of {} is too large", name, at, size);
    dims[d] = static_cast<std::int64_t>(size);
  }
  return Shape(dims);
}

PendingTensor read_tensor_info(GgufReader& reader) {
  PendingTensor pending;
  reader.enter("a tensor's name");
  std::string& name = pending.tensor.name;
  name = reader.name(kMaxNameBytes);
  reader.enter("the entry of tensor '" + name + "'");
  Shape shape = read_shape(reader, name);
  DType dtype = tensor_dtype(reader.number<std::uint32_t>(), name);
  std::int64_t row = shape.rank() > 0 ? shape.back() : 1;
  if (int block = info(dtype).block_elements; row % block != 0)
    fail_invalid("GGUF: tensor '{}': rows of {} are not whole blocks of {} ({})", name, row, block, cairn::name(dtype));
  pending.tensor.view = make_view(nullptr, dtype, shape);
  pending.offset = reader.number<std::uint64_t>();
  return pending;
}

// Sets the views' pointers; refuses what lies outside or on top of another.
void place_tensors(std::vector<PendingTensor>& pending, std::span<const std::byte> bytes, std::size_t start,
                   std::uint64_t alignment) {
  std::vector<const PendingTensor*> by_offset;
  auto size_of = [](const PendingTensor& entry) {
    return static_cast<std::uint64_t>(byte_size(entry.tensor.view.dtype, entry.tensor.view.shape));
  };
  const std::size_t room = start < bytes.size() ? bytes.size() - start : 0;
  for (PendingTensor& entry : pending) {
    std::uint64_t size = size_of(entry);
    if (entry.offset % alignment != 0)
      fail_invalid("GGUF: tensor '{}': offset {} is not a multiple of the alignment {}", entry.tensor.name,
                   entry.offset, alignment);
    if (entry.offset > room || size > room - entry.offset)
      fail_invalid("GGUF: truncated: tensor '{}' needs {} bytes from {} + {}, but the file has {}; download it again",
                   entry.tensor.name, size, start, entry.offset, bytes.size());
    entry.tensor.view.data = const_cast<std::byte*>(bytes.data()) + start + entry.offset;
    if (size > 0) by_offset.push_back(&entry);
  }
  std::sort(by_offset.begin(), by_offset.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (std::size_t i = 1; i < by_offset.size(); ++i)
    if (by_offset[i]->offset < by_offset[i - 1]->offset + size_of(*by_offset[i - 1]))
      fail_invalid("GGUF: tensors '{}' and '{}' overlap at byte {}", by_offset[i - 1]->tensor.name,
                   by_offset[i]->tensor.name, start + by_offset[i]->offset);
}

struct Counts {
  std::uint64_t tensors = 0, keys = 0;
};

Counts read_header(GgufReader& reader, std::span<const std::byte> bytes) {
  if (bytes.size() < 4 || std::memcmp(bytes.data(), "GGUF", 4) != 0)
    fail_invalid(
        "not a GGUF file: it does not begin with 'GGUF'; a .gguf file or a folder with config.json is expected");
  reader.number<std::uint32_t>();
  auto version = reader.number<std::uint32_t>();
  if (version == 0x02000000u || version == 0x03000000u)
    fail(ErrorKind::unsupported, "GGUF: the file is big-endian; little-endian ones are supported");
  if (version != 2 && version != 3) fail(ErrorKind::unsupported, "GGUF: version {}; 2 and 3 are supported", version);
  Counts counts;
  counts.tensors = reader.number<std::uint64_t>();
  counts.keys = reader.number<std::uint64_t>();
  if (counts.tensors > kMaxTensors || counts.tensors > reader.left() / kLeastTensorBytes)
    fail_invalid("GGUF: {} tensors claimed at byte 8, more than the file can hold", counts.tensors);
  if (counts.keys > kMaxKeys || counts.keys > reader.left() / kLeastKeyBytes)
    fail_invalid("GGUF: {} keys claimed at byte 16, more than the file can hold", counts.keys);
  return counts;
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
  GgufReader reader(bytes);
  Counts counts = read_header(reader, bytes);
  GgufFile file;
  for (std::uint64_t i = 0; i < counts.keys; ++i) {
    std::size_t at = reader.offset();
    reader.enter("a key");
    std::string key = reader.name(kMaxKeyBytes);
    reader.enter("key '" + key + "'");
    auto type = reader.number<std::uint32_t>();
    if (!file.values.emplace(key, reader.value(type)).second)
      fail_invalid("GGUF: key '{}' at byte {} appears twice", key, at);
  }
  std::vector<PendingTensor> pending;
  pending.reserve(counts.tensors);
  std::set<std::string_view> names;
  for (std::uint64_t i = 0; i < counts.tensors; ++i) {
    pending.push_back(read_tensor_info(reader));  // never reallocates, so the names stay where they are
    if (!names.insert(pending.back().tensor.name).second)
      fail_invalid("GGUF: tensor '{}' appears twice", pending.back().tensor.name);
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
std::int64_t GgufFile::integer_or(std::string_view key, std::int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}
double GgufFile::real(std::string_view key) const { return typed<double>(*this, key, "a float"); }
double GgufFile::real_or(std::string_view key, double fallback) const { return has(key) ? real(key) : fallback; }
bool GgufFile::boolean_or(std::string_view key, bool fallback) const {
  return has(key) ? typed<bool>(*this, key, "a bool") : fallback;
}
const std::string& GgufFile::text(std::string_view key) const { return typed<std::string>(*this, key, "a string"); }
const std::vector<std::string>& GgufFile::texts(std::string_view key) const {
  return typed<std::vector<std::string>>(*this, key, "an array of strings");
}

std::vector<int> GgufFile::integers(std::string_view key) const {
  std::vector<int> result;
  for (std::int64_t number : typed<std::vector<std::int64_t>>(*this, key, "an array of integers")) {
    if (number < INT32_MIN || number > INT32_MAX)
      fail_invalid("GGUF: element {} of '{}' is {}, beyond 32 bits", result.size(), key, number);
    result.push_back(static_cast<int>(number));
  }
  return result;
}

}  // namespace cairn
