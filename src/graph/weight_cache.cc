#include "graph/weight_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>

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

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

void write_all(int fd, std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    ssize_t written = ::pwrite(fd, text.data() + at, text.size() - at, static_cast<off_t>(at));
    if (written < 0 && errno != EINTR) fail(ErrorKind::resource_exhausted, "cannot write: {}", std::strerror(errno));
    if (written > 0) at += static_cast<std::size_t>(written);
  }
}

}  // namespace

WeightCache::WeightCache(const std::string& directory, const std::string& model, const std::string& key,
                         std::size_t bytes)
    : bytes_(bytes) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) fail_invalid("cannot make the folder {}: {}", directory, error.message());
  stale_prefix_ = fmt::format("{}-{:016x}-", plain_name(model), fnv1a(model));
  path_ = (fs::path(directory) / fmt::format("{}{:016x}.packed", stale_prefix_, fnv1a(key))).string();
  std::string header = make_header(key, bytes);
  header_bytes_ = header.size();
  if (open_existing(header)) return;

  fd_ = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd_ < 0) fail(ErrorKind::unsupported, "cannot make a file in {}: {}", directory, std::strerror(errno));
  try {
    // Space first: a mapped write to a full disk would kill the process.
    int full = ::posix_fallocate(fd_, 0, static_cast<off_t>(header_bytes_ + bytes_));
    if (full != 0)
      fail(ErrorKind::resource_exhausted, "no space for {} in {}: {}", human_bytes(header_bytes_ + bytes_), directory,
           std::strerror(full));
    write_all(fd_, header);
    map(fd_, true);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

WeightCache::~WeightCache() {
  if (writer_.joinable()) writer_.join();
  if (mapped_) ::munmap(mapped_, header_bytes_ + bytes_);
  if (fd_ >= 0) ::close(fd_);
}

void WeightCache::map(int fd, bool writable) {
  void* mapped =
      ::mmap(nullptr, header_bytes_ + bytes_, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) fail(ErrorKind::resource_exhausted, "cannot map {}: {}", path_, std::strerror(errno));
  mapped_ = static_cast<std::byte*>(mapped);
  data_ = mapped_ + header_bytes_;
}

bool WeightCache::open_existing(const std::string& header) {
  const Descriptor file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)};
  const int fd = file.fd;
  if (fd < 0) {
    if (errno != ENOENT) ::unlink(path_.c_str());  // a link, or not ours to read
    return false;
  }
  struct stat info {};
  std::string found(header.size(), '\0');
  filled_ = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
            static_cast<std::uint64_t>(info.st_size) == header_bytes_ + bytes_ &&
            ::pread(fd, found.data(), found.size(), 0) == static_cast<ssize_t>(found.size()) && found == header;
  if (filled_) {
    map(fd, false);
    ::madvise(mapped_, header_bytes_ + bytes_, MADV_POPULATE_READ);  // all pages at once, not fault by fault
  } else {
    ::unlink(path_.c_str());  // damaged: keep() could not give its name to the new one
  }
  return filled_;
}

void WeightCache::keep() {
  if (filled_ || writer_.joinable()) return;
  writer_ = std::jthread([this] {
    if (::fsync(fd_) != 0) return;
    std::string source = fmt::format("/proc/self/fd/{}", fd_);
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
