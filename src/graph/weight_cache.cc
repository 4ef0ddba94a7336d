#include "graph/weight_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr char kMagic[8] = {'C', 'A', 'I', 'R', 'N', 'P', 'W', '1'};
constexpr std::size_t kPage = 4096;  // header and data begin on pages of this size

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

// Magic, bytes of data, bytes of key, key; padded to whole pages.
std::string make_header(const std::string& key, std::size_t bytes) {
  std::string header(kMagic, sizeof kMagic);
  for (std::uint64_t number : {static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(key.size())})
    header.append(reinterpret_cast<const char*>(&number), sizeof number);
  header += key;
  header.resize((header.size() + kPage - 1) / kPage * kPage);
  return header;
}

// A name of at most 100 plain characters.
std::string plain_name(const std::string& model) {
  std::string plain = model.substr(0, 100);
  for (char& c : plain)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') c = '_';
  return plain;
}

}  // namespace

WeightCache::WeightCache(const std::string& directory, const std::string& model, const std::string& key,
                         std::size_t bytes) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) fail_invalid("cannot make the folder {}: {}", directory, error.message());
  stale_prefix_ = fmt::format("{}-{:016x}-", plain_name(fs::path(model).filename()), fnv1a(model));
  path_ = (fs::path(directory) / fmt::format("{}{:016x}.packed", stale_prefix_, fnv1a(key))).string();
  const std::string header = make_header(key, bytes);
  if (!open_existing(header, bytes)) make_unnamed(directory, header, bytes);
}

WeightCache::Unnamed::~Unnamed() {
  if (mapped) ::munmap(mapped, bytes);
  if (fd >= 0) ::close(fd);
}

bool WeightCache::open_existing(const std::string& header, std::size_t bytes) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path_, error).type();
  if (type == fs::file_type::not_found) return false;
  try {
    MappedFile file = type == fs::file_type::regular ? MappedFile(path_) : MappedFile();
    if (file.bytes().size() == header.size() + bytes &&
        std::memcmp(file.bytes().data(), header.data(), header.size()) == 0)
      existing_ = std::move(file);
  } catch (const Error&) {  // not ours to read
  }
  if (!filled()) {
    ::unlink(path_.c_str());  // damaged: keep() could not give its name to the new one
    return false;
  }
  data_ = const_cast<std::byte*>(existing_.bytes().data()) + header.size();
  ::madvise(data_ - header.size(), existing_.bytes().size(), MADV_POPULATE_READ);  // at once, not fault by fault
  return true;
}

void WeightCache::make_unnamed(const std::string& directory, const std::string& header, std::size_t bytes) {
  unnamed_.bytes = header.size() + bytes;
  unnamed_.fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed_.fd < 0) fail(ErrorKind::unsupported, "cannot make a file in {}: {}", directory, std::strerror(errno));
  // Space first: a mapped write to a full disk would kill the process.
  const int full = ::posix_fallocate(unnamed_.fd, 0, static_cast<off_t>(unnamed_.bytes));
  if (full != 0)
    fail(ErrorKind::resource_exhausted, "no space for {} in {}: {}", human_bytes(unnamed_.bytes), directory,
         std::strerror(full));
  void* mapped = ::mmap(nullptr, unnamed_.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, unnamed_.fd, 0);
  if (mapped == MAP_FAILED) fail(ErrorKind::resource_exhausted, "cannot map {}: {}", path_, std::strerror(errno));
  unnamed_.mapped = static_cast<std::byte*>(mapped);
  std::memcpy(unnamed_.mapped, header.data(), header.size());
  data_ = unnamed_.mapped + header.size();
}

void WeightCache::keep() {
  if (filled() || writer_.joinable()) return;
  writer_ = std::jthread([this] {
    if (::fsync(unnamed_.fd) != 0) return;
    std::string source = fmt::format("/proc/self/fd/{}", unnamed_.fd);
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) != 0) return;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(fs::path(path_).parent_path(), error)) {
      std::string name = entry.path().filename().string();
      if (name.starts_with(stale_prefix_) && name.ends_with(".packed") && entry.path() != path_)
        fs::remove(entry.path(), error);
    }
  });
}

}  // namespace cairn
