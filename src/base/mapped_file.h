// A read-only memory-mapped file.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace cairn {

/// Owns a read-only mapping of a whole file. Movable, not copyable. Thread-safe to read.
/// The file must not be truncated while it is mapped.
class MappedFile {
 public:
  MappedFile() = default;
  /// Maps `path`. Throws not_found when it cannot be opened, invalid_argument when it is not a regular file.
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  /// Tells this file apart from what it was or may become: inode, size and time of change, taken when it was opened.
  const std::string& stamp() const { return stamp_; }

  /// Tells the kernel that the pages of `part` (a sub-span of bytes()) are no longer needed; reading them again is
  /// correct but goes back to the file.
  void drop(std::span<const std::byte> part) const;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string path_, stamp_;
};

/// Reads a whole text file of at most `limit` bytes; throws not_found, or invalid_argument when it is larger.
std::string read_text_file(const std::string& path, std::size_t limit = std::size_t{256} << 20);

}  // namespace cairn
