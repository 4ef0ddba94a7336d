// Byte-pair encoding of one word: the merge table and the merge loop.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/tokenizer/vocabulary.h"

namespace cairn {

/// Which two tokens join, in what order of preference, and into what. Open addressing, read-only once filled.
class MergeTable {
 public:
  struct Merge {
    std::int32_t rank;  // lower ranks join first
    std::int32_t id;    // the joined token
  };

  explicit MergeTable(std::size_t expected_merges);
  /// Of two merges of one pair the later one holds.
  void insert(int left, int right, Merge merge);
  /// The merge of a pair of ids, or nullptr.
  const Merge* find(int left, int right) const noexcept;

 private:
  struct Slot {
    std::uint64_t key;
    Merge merge;
  };
  std::size_t slot(std::uint64_t key) const noexcept;

  int shift_;
  std::vector<Slot> slots_;
};

struct BpeOptions {
  bool ignore_merges = false;        // a word that is a token as it stands is not split and merged
  std::optional<int> unknown_token;  // stands for bytes that have no token; without it they are dropped
  bool fuse_unknown = false;         // a run of such bytes is one unknown token
};

/// Work space of one encode() call, so that words share their allocations.
struct BpeScratch {
  struct Symbol {
    std::int32_t id, previous, next;
  };
  struct Candidate {
    std::int32_t rank, position, id;
  };
  std::vector<int> ids;
  std::vector<MergeTable::Merge> merges;
  std::vector<Symbol> symbols;
  std::vector<Candidate> queue;
  std::string spelling;
};

/// Byte-level BPE. Immutable; safe to use from many threads.
class Bpe {
 public:
  using MergeRule = std::pair<std::string_view, std::string_view>;

  /// `rules` are in order of preference. Throws invalid_argument when one names a token that is not in the vocabulary.
  /// `vocabulary` must outlive this.
  Bpe(const Vocabulary& vocabulary, const std::vector<MergeRule>& rules, const BpeOptions& options);

  /// Appends the ids of one word (raw bytes, at most 2^30). The least rank joins first, of equals the leftmost: linear
  /// scans for short words, a priority queue for long ones (O(n log n)).
  void encode(std::string_view word, BpeScratch& scratch, std::vector<int>& out) const;

 private:
  void split_bytes(std::string_view word, std::vector<int>& ids) const;
  void merge_short(BpeScratch& scratch) const;
  void merge_long(BpeScratch& scratch) const;
  void push_candidate(BpeScratch& scratch, std::int32_t position) const;

  const Vocabulary* vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<int, 256> byte_ids_;  // -1 where a byte has no token
};

}  // namespace cairn
