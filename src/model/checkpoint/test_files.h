// Writers of model files, right and wrong, for this room's tests.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"

namespace cairn::test {

enum GgufType : std::uint32_t { kU8 = 0, kU32 = 4, kF32 = 6, kBool = 7, kString = 8, kArray = 9 };

class GgufWriter {
 public:
  template <typename T>
  GgufWriter& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  GgufWriter& text(const std::string& value) {
    number<std::uint64_t>(value.size());
    bytes += value;
    return *this;
  }
  GgufWriter& header(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) {
    bytes += "GGUF";
    return number(version).number(tensors).number(keys);
  }
  GgufWriter& key(const std::string& name, GgufType type) { return text(name).number<std::uint32_t>(type); }
  GgufWriter& key_text(const std::string& name, const std::string& value) { return key(name, kString).text(value); }
  GgufWriter& key_u32(const std::string& name, std::uint32_t value) { return key(name, kU32).number(value); }
  GgufWriter& key_f32(const std::string& name, float value) { return key(name, kF32).number(value); }
  GgufWriter& key_texts(const std::string& name, const std::vector<std::string>& values) {
    key(name, kArray).number<std::uint32_t>(kString).number<std::uint64_t>(values.size());
    for (const std::string& value : values) text(value);
    return *this;
  }
  /// `dims` innermost first, as stored.
  GgufWriter& tensor(const std::string& name, const std::vector<std::uint64_t>& dims, std::uint32_t type,
                     std::uint64_t offset) {
    text(name).number(static_cast<std::uint32_t>(dims.size()));
    for (auto dim : dims) number(dim);
    return number(type).number(offset);
  }
  GgufWriter& pad(std::size_t unit) {
    bytes.resize((bytes.size() + unit - 1) / unit * unit);
    return *this;
  }
  GgufWriter& fill(std::size_t count, char value = 0) {
    bytes.append(count, value);
    return *this;
  }

  std::string bytes;
};

/// A safetensors file: the header's length, the header, data of `data_bytes` bytes.
inline std::string safetensors_file(const std::string& header, std::size_t data_bytes) {
  std::string bytes(8, '\0');
  std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  bytes += header;
  for (std::size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

/// A folder of its own that goes with the test.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = ::testing::TempDir() + "cairn-checkpoint-XXXXXX";
    const char* made = ::mkdtemp(pattern.data());
    if (!made) throw std::runtime_error("mkdtemp failed");
    path_ = made;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::string file = path_ + "/" + name;
    std::filesystem::remove(file);  // a file system may take a truncated one for precious and write it to disk at once
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

 private:
  std::string path_;
};

/// Expects that `action` throws an Error of that kind whose message holds every one of `parts`.
template <typename Action>
void expect_error(ErrorKind kind, const std::vector<std::string>& parts, Action&& action) {
  try {
    action();
    ADD_FAILURE() << "accepted; expected an error about " << parts.front();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& part : parts)
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << " lacks " << part;
  }
}

}  // namespace cairn::test
