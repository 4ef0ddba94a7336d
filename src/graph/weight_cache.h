// A file of packed weights: what the first load packs, later loads map.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <thread>

#include "base/mapped_file.h"

namespace cairn {

/// One such file, mapped. A header (a page or more: magic, sizes, the whole key) is followed by the packed weights in
/// the order of the graph's values. Every byte pattern is a valid weight, so only sizes and key are checked.
class WeightCache {
 public:
  /// Maps the file of `key` in `directory` (made when missing) if it is there, whole and of exactly `bytes` of data;
  /// else makes an unnamed file (O_TMPFILE) with that much disk space, to be packed into: nothing is left of it when
  /// the process dies before keep() is through. `key` tells apart whatever changes the packed bytes; `model` is the
  /// model's path, and a file of another key for the same `model` is out of date and deleted by keep().
  /// Throws resource_exhausted (no space), unsupported (a file system without unnamed files), invalid_argument.
  WeightCache(const std::string& directory, const std::string& model, const std::string& key, std::size_t bytes);
  /// Its destructor waits for the writing that keep() began.
  WeightCache(const WeightCache&) = delete;
  WeightCache& operator=(const WeightCache&) = delete;

  /// True when data() holds packed weights already (and is read-only), false when they have to be packed into it.
  bool filled() const { return !existing_.bytes().empty(); }
  std::byte* data() const { return data_; }
  const std::string& path() const { return path_; }

  /// The weights are packed: in the background, brings them to the disk and gives the file its name. A failure leaves
  /// no file; the mapping stays good.
  void keep();

 private:
  // A file without a name, mapped to be written; nothing for a filled cache.
  struct Unnamed {
    int fd = -1;
    std::byte* mapped = nullptr;
    std::size_t bytes = 0;
    ~Unnamed();
  };
  bool open_existing(const std::string& header, std::size_t bytes);
  void make_unnamed(const std::string& directory, const std::string& header, std::size_t bytes);

  std::string path_, stale_prefix_;
  std::byte* data_ = nullptr;
  MappedFile existing_;
  Unnamed unnamed_;
  std::jthread writer_;  // last: it is waited for before the file is closed
};

}  // namespace cairn
