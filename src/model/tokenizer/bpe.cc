#include "model/tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/error.h"
#include "model/tokenizer/byte_alphabet.h"

namespace cairn {
namespace {

constexpr std::uint64_t kEmpty = ~std::uint64_t{0};  // no pair: ids are not negative
constexpr std::int32_t kNoRank = std::numeric_limits<std::int32_t>::max();
constexpr std::size_t kShortWord = 48;

std::uint64_t pair_key(int left, int right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}

// Orders a heap so that its top has the least rank, of equals the leftmost.
bool comes_later(const BpeScratch::Candidate& a, const BpeScratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

}  // namespace

MergeTable::MergeTable(std::size_t expected_merges) {
  std::size_t capacity = std::bit_ceil(expected_merges * 2 + 2);
  shift_ = 64 - std::countr_zero(capacity);
  slots_.assign(capacity, Slot{kEmpty, {0, 0}});
}

std::size_t MergeTable::slot(std::uint64_t key) const noexcept {
  // Fibonacci hashing: the high bits of the product mix all bits of both ids.
  std::size_t at = static_cast<std::size_t>(((key ^ key >> 29) * 0x9E3779B97F4A7C15u) >> shift_);
  while (slots_[at].key != key && slots_[at].key != kEmpty) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void MergeTable::insert(int left, int right, Merge merge) {
  std::uint64_t key = pair_key(left, right);
  slots_[slot(key)] = {key, merge};
}

const MergeTable::Merge* MergeTable::find(int left, int right) const noexcept {
  std::uint64_t key = pair_key(left, right);
  const Slot& found = slots_[slot(key)];
  return found.key == key ? &found.merge : nullptr;
}

Bpe::Bpe(const Vocabulary& vocabulary, const std::vector<MergeRule>& rules, const BpeOptions& options)
    : vocabulary_(&vocabulary), merges_(rules.size()), options_(options) {
  for (int byte = 0; byte < 256; ++byte)
    byte_ids_[static_cast<std::size_t>(byte)] =
        vocabulary.find(byte_symbol(static_cast<unsigned char>(byte))).value_or(-1);
  std::string joined;
  for (std::size_t rank = 0; rank < rules.size(); ++rank) {
    auto [left, right] = rules[rank];
    joined.assign(left).append(right);
    auto left_id = vocabulary.find(left), right_id = vocabulary.find(right), id = vocabulary.find(joined);
    if (!left_id || !right_id || !id)
      fail_invalid("tokenizer: merge {} ('{}' + '{}'): token '{}' is not in the vocabulary", rank, left.substr(0, 80),
                   right.substr(0, 80),
                   (!left_id    ? left
                    : !right_id ? right
                                : std::string_view(joined))
                       .substr(0, 80));
    merges_.insert(*left_id, *right_id, {static_cast<std::int32_t>(rank), *id});
  }
}

void Bpe::encode(std::string_view word, BpeScratch& scratch, std::vector<int>& out) const {
  if (options_.ignore_merges) {
    scratch.spelling.clear();
    append_symbols(scratch.spelling, word);
    if (auto id = vocabulary_->find(scratch.spelling)) {
      out.push_back(*id);
      return;
    }
  }
  scratch.ids.clear();
  split_bytes(word, scratch.ids);
  if (scratch.ids.size() > kShortWord)
    merge_long(scratch);
  else if (scratch.ids.size() > 1)
    merge_short(scratch);
  out.insert(out.end(), scratch.ids.begin(), scratch.ids.end());
}

void Bpe::split_bytes(std::string_view word, std::vector<int>& ids) const {
  bool in_unknown = false;
  for (char byte : word) {
    int id = byte_ids_[static_cast<unsigned char>(byte)];
    bool unknown = id < 0;
    if (unknown && options_.unknown_token && !(in_unknown && options_.fuse_unknown))
      ids.push_back(*options_.unknown_token);
    else if (!unknown)
      ids.push_back(id);
    in_unknown = unknown;
  }
}

void Bpe::merge_short(BpeScratch& scratch) const {
  std::vector<int>& ids = scratch.ids;
  auto& merges = scratch.merges;  // of ids[i] with ids[i + 1]
  auto merge_at = [&](std::size_t i) {
    const MergeTable::Merge* merge = merges_.find(ids[i], ids[i + 1]);
    return merge ? *merge : MergeTable::Merge{kNoRank, 0};
  };
  merges.resize(ids.size() - 1);
  for (std::size_t i = 0; i < merges.size(); ++i) merges[i] = merge_at(i);
  while (!merges.empty()) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < merges.size(); ++i)
      if (merges[i].rank < merges[best].rank) best = i;
    if (merges[best].rank == kNoRank) return;
    ids[best] = merges[best].id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    merges.erase(merges.begin() + static_cast<std::ptrdiff_t>(best));
    if (best < merges.size()) merges[best] = merge_at(best);
    if (best > 0) merges[best - 1] = merge_at(best - 1);
  }
}

void Bpe::push_candidate(BpeScratch& scratch, std::int32_t position) const {
  const auto& symbol = scratch.symbols[static_cast<std::size_t>(position)];
  if (symbol.next < 0) return;
  const auto* merge = merges_.find(symbol.id, scratch.symbols[static_cast<std::size_t>(symbol.next)].id);
  if (!merge) return;
  scratch.queue.push_back({merge->rank, position, merge->id});
  std::push_heap(scratch.queue.begin(), scratch.queue.end(), comes_later);
}

void Bpe::merge_long(BpeScratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto count = static_cast<std::int32_t>(scratch.ids.size());
  symbols.clear();
  scratch.queue.clear();
  for (std::int32_t i = 0; i < count; ++i)
    symbols.push_back({scratch.ids[static_cast<std::size_t>(i)], i - 1, i + 1 < count ? i + 1 : -1});
  for (std::int32_t i = 0; i + 1 < count; ++i) push_candidate(scratch, i);
  while (!scratch.queue.empty()) {
    std::pop_heap(scratch.queue.begin(), scratch.queue.end(), comes_later);
    BpeScratch::Candidate top = scratch.queue.back();
    scratch.queue.pop_back();
    auto& left = symbols[static_cast<std::size_t>(top.position)];
    if (left.id < 0 || left.next < 0) continue;  // swallowed by an earlier merge, or last by now
    auto& right = symbols[static_cast<std::size_t>(left.next)];
    const auto* merge = merges_.find(left.id, right.id);
    if (!merge || merge->rank != top.rank) continue;  // the pair has changed since
    left.id = top.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = top.position;
    if (left.previous >= 0) push_candidate(scratch, left.previous);
    push_candidate(scratch, top.position);
  }
  scratch.ids.clear();
  for (const auto& symbol : symbols)
    if (symbol.id >= 0) scratch.ids.push_back(symbol.id);
}

}  // namespace cairn
