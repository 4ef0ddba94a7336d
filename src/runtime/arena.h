// Memory arenas: a reserved range of address space whose pages are committed as they are taken, and can be given back
// and taken again under the same addresses (sleep mode).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cairn {

class Arena {
 public:
  Arena() = default;
  /// Reserves `bytes` of address space (rounded up to pages); nothing is committed yet. `purpose` names it in errors.
  /// Huge pages are asked for. Throws resource_exhausted.
  Arena(std::string purpose, std::size_t bytes);
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  ~Arena();

  /// Takes `bytes` aligned to 64; zeroed on first use. Throws resource_exhausted naming the purpose and both sizes.
  std::byte* allocate(std::size_t bytes);
  /// Gives all pages back to the system; addresses stay reserved and read as zero afterwards.
  void release_pages();
  /// Forgets all allocations (addresses may be handed out again); pages stay.
  void reset() { used_ = 0; }

  std::byte* data() const { return data_; }
  std::size_t capacity() const { return capacity_; }
  std::size_t used() const { return used_; }

 private:
  std::string purpose_;
  std::byte* data_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
};

/// Memory this process may use: the smaller of the machine's and its cgroup's limit, in bytes.
std::uint64_t memory_limit();
/// Resident set of this process, in bytes.
std::uint64_t resident_bytes();

}  // namespace cairn
