#include "model/checkpoint/gguf_reader.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace cairn {
namespace {

constexpr int kMaxArrayDepth = 3;

enum ValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array_type,
  u64,
  i64,
  f64,
  type_count
};

// The fewest bytes that a value of each type takes in a file.
constexpr std::array<std::uint64_t, type_count> kLeastBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

}  // namespace

void GgufReader::need(std::uint64_t count) const {
  if (count > left())
    fail_invalid("GGUF: truncated: {} needs {} bytes at byte {}, but {} are left; download the file again", field_,
                 count, offset_, left());
}

std::string GgufReader::text(std::uint64_t limit) {
  std::size_t at = offset_;
  auto length = number<std::uint64_t>();
  if (length > limit)
    fail_invalid("GGUF: {}: a string of {} bytes at byte {}; at most {} are accepted", field_, length, at, limit);
  need(length);
  std::string value(reinterpret_cast<const char*>(bytes_.data()) + offset_, length);
  offset_ += length;
  return value;
}

std::string GgufReader::name(std::uint64_t limit) {
  std::size_t at = offset_;
  std::string value = text(limit);
  bool control = std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
  if (value.empty() || control || sanitize_utf8(value) != value)
    fail_invalid("GGUF: {} at byte {} is not a name: UTF-8 without control characters is expected", field_, at);
  return value;
}

std::int64_t GgufReader::integer(std::uint32_t type) {
  std::size_t at = offset_;
  switch (type) {
    case u8:
      return number<std::uint8_t>();
    case i8:
      return number<std::int8_t>();
    case u16:
      return number<std::uint16_t>();
    case i16:
      return number<std::int16_t>();
    case u32:
      return number<std::uint32_t>();
    case i32:
      return number<std::int32_t>();
    case i64:
      return number<std::int64_t>();
    case boolean: {
      auto byte = number<std::uint8_t>();
      if (byte > 1) fail_invalid("GGUF: {}: a bool at byte {} is {}, expected 0 or 1", field_, at, byte);
      return byte;
    }
    default: {
      auto wide = number<std::uint64_t>();
      if (wide > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        fail_invalid("GGUF: {}: the integer {} at byte {} is beyond any size", field_, wide, at);
      return static_cast<std::int64_t>(wide);
    }
  }
}

GgufValue GgufReader::value(std::uint32_t type, int depth) {
  switch (type) {
    case f32:
      return {double{number<float>()}};
    case f64:
      return {number<double>()};
    case boolean:
      return {integer(boolean) == 1};
    case string:
      return {text(left())};
    case array_type:
      return array(depth);
    default:
      if (type >= type_count) fail_invalid("GGUF: {}: value type {} at byte {} is unknown", field_, type, offset_ - 4);
      return {integer(type)};
  }
}

GgufValue GgufReader::array(int depth) {
  if (depth >= kMaxArrayDepth)
    fail_invalid("GGUF: {}: arrays at byte {} are nested deeper than {}", field_, offset_, kMaxArrayDepth);
  std::size_t at = offset_;
  auto type = number<std::uint32_t>();
  auto count = number<std::uint64_t>();
  if (type >= type_count) fail_invalid("GGUF: {}: value type {} at byte {} is unknown", field_, type, at);
  if (count > left() / kLeastBytes[type])
    fail_invalid("GGUF: {}: the array at byte {} claims {} elements, but {} bytes are left", field_, at, count, left());
  auto filled = [&](auto list, auto&& next) -> GgufValue {
    list.reserve(count);
    for (std::uint64_t i = 0; i < count; ++i) list.push_back(next());
    return {std::move(list)};
  };
  switch (type) {
    case f32:
      return filled(std::vector<double>(), [&] { return number<float>(); });
    case f64:
      return filled(std::vector<double>(), [&] { return number<double>(); });
    case string:
      return filled(std::vector<std::string>(), [&] { return text(left()); });
    case array_type:
      return filled(std::vector<GgufValue>(), [&] { return array(depth + 1); });
    default:
      return filled(std::vector<std::int64_t>(), [&] { return integer(type); });
  }
}

}  // namespace cairn
