#include "runtime/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace cairn {

Arena::Arena(std::string purpose, std::size_t bytes) : purpose_(std::move(purpose)) {
  constexpr std::size_t kHugePage = std::size_t{2} << 20;
  capacity_ = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  if (capacity_ == 0) return;
  void* mapped = ::mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    fail(ErrorKind::resource_exhausted, "cannot reserve {} for {}: {}", human_bytes(capacity_), purpose_, std::strerror(errno));
  data_ = static_cast<std::byte*>(mapped);
  ::madvise(data_, capacity_, MADV_HUGEPAGE);
}

Arena::Arena(Arena&& other) noexcept { *this = std::move(other); }

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(purpose_, other.purpose_);
  std::swap(data_, other.data_);
  std::swap(capacity_, other.capacity_);
  std::swap(used_, other.used_);
  return *this;
}

Arena::~Arena() {
  if (data_) ::munmap(data_, capacity_);
}

std::byte* Arena::allocate(std::size_t bytes) {
  std::size_t rounded = (bytes + 63) / 64 * 64;
  if (rounded < bytes || rounded > capacity_ - used_)
    fail(ErrorKind::resource_exhausted, "{}: {} asked for, {} of {} left", purpose_, human_bytes(bytes),
         human_bytes(capacity_ - used_), human_bytes(capacity_));
  return data_ + std::exchange(used_, used_ + rounded);
}

void Arena::release_pages() {
  if (data_) ::madvise(data_, capacity_, MADV_DONTNEED);
}

namespace {

// A cgroup limit file holds a number or "max".
std::uint64_t read_limit(const char* path) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? value : UINT64_MAX;
}

}  // namespace

std::uint64_t memory_limit() {
  auto machine = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::min({machine, read_limit("/sys/fs/cgroup/memory.max"), read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes")});
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace cairn
