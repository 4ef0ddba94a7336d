// The scalars, strings and arrays of GGUF, read one after the other.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "model/checkpoint/gguf.h"

namespace cairn {

/// Reads forward through `bytes`. Every size is compared with what is left before it is used or allocated; throws
/// invalid_argument naming the field (as last set by enter) and the byte offset.
class GgufReader {
 public:
  explicit GgufReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t offset() const { return offset_; }
  std::size_t left() const { return bytes_.size() - offset_; }
  /// Names what is being read, for messages.
  void enter(std::string field) { field_ = std::move(field); }

  template <typename T>
  T number() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + offset_, sizeof value);
    offset_ += sizeof value;
    return value;
  }
  /// A length and as many bytes, at most `limit`.
  std::string text(std::uint64_t limit);
  /// A key or a tensor's name: not empty, UTF-8 without control characters.
  std::string name(std::uint64_t limit);
  /// A value of GGUF's numbered type; arrays may be nested three deep.
  GgufValue value(std::uint32_t type) { return value(type, 0); }

 private:
  void need(std::uint64_t count) const;
  GgufValue value(std::uint32_t type, int depth);
  GgufValue array(int depth);
  std::int64_t integer(std::uint32_t type);

  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
  std::string field_ = "the header";
};

}  // namespace cairn
