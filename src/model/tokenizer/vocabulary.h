// The vocabulary: token ids with their spelling and their raw bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

/// Maps ids to tokens and back. Filled once, then read by any number of threads. Views stay valid after the last add().
class Vocabulary {
 public:
  explicit Vocabulary(std::size_t expected_tokens);

  /// Adds one token. Throws invalid_argument when `id` is taken, negative or far above the expected number of tokens
  /// (so that memory follows the file's size). Of two tokens with one spelling the later one is found.
  void add(std::int64_t id, std::string_view text);

  bool contains(int id) const { return id >= 0 && id < size() && entries_[static_cast<std::size_t>(id)].used; }
  /// One more than the largest id.
  int size() const { return static_cast<int>(entries_.size()); }
  std::optional<int> find(std::string_view text) const;
  /// The token's spelling. Throws invalid_argument for an unknown id.
  std::string_view text(int id) const;
  /// What the token decodes to: the bytes its characters stand for, or its spelling where one stands for none.
  std::string_view bytes(int id) const;

 private:
  struct Entry {
    std::uint32_t text = 0, text_size = 0, bytes = 0, bytes_size = 0;  // offsets and sizes in arena_
    bool used = false;
  };

  const Entry& entry(int id) const;
  std::uint32_t store(std::string_view bytes);
  std::size_t slot(std::string_view text) const;
  void grow();

  std::size_t max_size_;
  std::size_t count_ = 0;
  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<std::int32_t> slots_;  // open addressing over the spellings; -1 empty
};

}  // namespace cairn
