// Test doubles: a model whose logits are a hash of the tokens it finds in the KV cache, and a small tokenizer.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"

namespace cairn::testing {

inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/// Logits after a sequence of tokens: spread like a real model's, and different for any other sequence.
inline void fake_logits(std::uint64_t prefix_hash, std::span<float> row) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::uint64_t bits = mix(prefix_hash ^ (i * 0x2545F4914F6CDD1Du));
    row[i] = static_cast<float>(static_cast<double>(bits >> 11) * 0x1.0p-53 * 8.0 - 4.0);
  }
}
inline std::uint64_t extend_hash(std::uint64_t prefix_hash, int token) {
  return mix(prefix_hash * 31 + static_cast<std::uint64_t>(token) + 1);
}
inline std::vector<float> fake_logits_after(std::span<const int> tokens, int vocab) {
  std::uint64_t hash = 0;
  for (const int token : tokens) hash = extend_hash(hash, token);
  std::vector<float> row(vocab);
  fake_logits(hash, row);
  return row;
}
inline std::vector<int> fake_greedy(std::vector<int> tokens, int count, int vocab) {
  std::vector<int> output;
  for (int i = 0; i < count; ++i) {
    const std::vector<float> row = fake_logits_after(tokens, vocab);
    output.push_back(static_cast<int>(std::max_element(row.begin(), row.end()) - row.begin()));
    tokens.push_back(output.back());
  }
  return output;
}

struct FakeLimits {
  int vocab = 48;
  std::int64_t max_model_len = 128, block_size = 4, num_kv_blocks = 65, max_num_batched_tokens = 64, max_num_seqs = 8;
};

/// Stores each token in its slot and reads the whole sequence back through the block table, so a wrong block gives
/// wrong logits. Fails the test on a batch that breaks the interface's rules.
class FakeRunner : public ModelRunner {
 public:
  explicit FakeRunner(FakeLimits limits = {}) : limits_(limits), slots_(limits.num_kv_blocks * limits.block_size) {}
  int vocab_size() const override { return limits_.vocab; }
  std::int64_t max_model_len() const override { return limits_.max_model_len; }
  std::int64_t block_size() const override { return limits_.block_size; }
  std::int64_t num_kv_blocks() const override { return limits_.num_kv_blocks; }
  std::int64_t max_num_batched_tokens() const override { return limits_.max_num_batched_tokens; }
  std::int64_t max_num_seqs() const override { return limits_.max_num_seqs; }

  std::span<float> execute(const StepBatch& batch) override {
    ++steps;
    if (before_step) before_step(batch);
    check(batch);
    for (std::size_t t = 0; t < batch.token_ids.size(); ++t) {
      slots_[batch.slot_mapping[t]] = {batch.token_ids[t], batch.positions[t]};
    }
    std::vector<std::uint64_t> hash_at(batch.token_ids.size());
    for (std::size_t s = 0; s < batch.seq_lens.size(); ++s) read_back(batch, s, hash_at);
    logits_.resize(batch.logits_rows.size() * limits_.vocab);
    for (std::size_t r = 0; r < batch.logits_rows.size(); ++r) {
      fake_logits(hash_at[batch.logits_rows[r]], std::span(logits_).subspan(r * limits_.vocab, limits_.vocab));
    }
    if (after_step) after_step(logits_);
    return logits_;
  }

  int steps = 0;
  std::function<void(const StepBatch&)> before_step;
  std::function<void(std::vector<float>&)> after_step;

 private:
  struct Slot {
    int token = -1, position = -1;
  };
  void check(const StepBatch& batch) const {
    const std::size_t seqs = batch.seq_lens.size();
    ASSERT_LE(static_cast<std::int64_t>(batch.token_ids.size()), limits_.max_num_batched_tokens);
    ASSERT_LE(static_cast<std::int64_t>(seqs), limits_.max_num_seqs);
    ASSERT_EQ(batch.query_start_loc.size(), seqs + 1);
    ASSERT_EQ(batch.query_start_loc.back(), static_cast<std::int32_t>(batch.token_ids.size()));
    ASSERT_EQ(batch.block_tables.size(), seqs * batch.max_blocks);
    std::map<std::int64_t, std::size_t> writer;  // block -> sequence
    for (std::size_t s = 0; s < seqs; ++s) {
      const std::int32_t begin = batch.query_start_loc[s], end = batch.query_start_loc[s + 1];
      ASSERT_LT(begin, end);
      ASSERT_EQ(batch.seq_lens[s], batch.positions[end - 1] + 1);
      for (std::int32_t t = begin; t < end; ++t) {
        const std::int64_t block = batch.slot_mapping[t] / limits_.block_size;
        ASSERT_GT(block, 0) << "the null block is nobody's";
        ASSERT_LT(block, limits_.num_kv_blocks);
        ASSERT_EQ(batch.slot_mapping[t] % limits_.block_size, batch.positions[t] % limits_.block_size);
        ASSERT_EQ(block, batch.block_tables[s * batch.max_blocks + batch.positions[t] / limits_.block_size]);
        ASSERT_EQ(writer.emplace(block, s).first->second, s) << "block " << block << " is written by two sequences";
      }
    }
  }
  void read_back(const StepBatch& batch, std::size_t s, std::vector<std::uint64_t>& hash_at) const {
    const std::int32_t first = batch.positions[batch.query_start_loc[s]];
    std::uint64_t hash = 0;
    for (std::int32_t position = 0; position < batch.seq_lens[s]; ++position) {
      const std::int64_t block = batch.block_tables[s * batch.max_blocks + position / limits_.block_size];
      const Slot& slot = slots_[block * limits_.block_size + position % limits_.block_size];
      EXPECT_EQ(slot.position, position) << "the cache holds another position's keys";
      hash = extend_hash(hash, slot.token);
      if (position >= first) hash_at[batch.query_start_loc[s] + position - first] = hash;
    }
  }

  FakeLimits limits_;
  std::vector<Slot> slots_;
  std::vector<float> logits_;
};

/// One token a piece of text; token 0 is the only special one ("<end>") and the end of a text.
class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<std::string> pieces = default_pieces()) : pieces_(std::move(pieces)) {}
  std::vector<int> encode(std::string_view text, bool) const override {
    std::vector<int> ids;
    while (!text.empty()) {
      int best = -1;
      for (int id = 1; id < vocab_size(); ++id) {
        if (text.starts_with(pieces_[id]) && (best < 0 || pieces_[id].size() > pieces_[best].size())) best = id;
      }
      if (best < 0) break;
      ids.push_back(best);
      text.remove_prefix(pieces_[best].size());
    }
    return ids;
  }
  std::string decode(std::span<const int> ids, bool skip_special_tokens) const override {
    StreamDetokenizer stream(*this, skip_special_tokens);
    std::string text;
    for (const int id : ids) text += stream.push(id);
    return text + stream.flush();
  }
  std::string_view token_bytes(int id) const override {
    if (id < 0 || id >= vocab_size()) fail_invalid("token id {} is not in the vocabulary (size {})", id, vocab_size());
    return pieces_[static_cast<std::size_t>(id)];
  }
  std::string_view token_text(int id) const override { return pieces_.at(id); }
  bool is_special(int id) const override { return id == 0; }
  std::optional<int> token_id(std::string_view text) const override {
    for (int id = 0; id < vocab_size(); ++id) {
      if (pieces_[id] == text) return id;
    }
    return std::nullopt;
  }
  int vocab_size() const override { return static_cast<int>(pieces_.size()); }
  std::optional<int> bos_token_id() const override { return std::nullopt; }
  std::optional<int> eos_token_id() const override { return 0; }

  /// 46 pieces: letters, overlapping words, and the bytes of "é" and "你" apart. Fewer than FakeLimits::vocab.
  static std::vector<std::string> default_pieces() {
    std::vector<std::string> pieces = {"<end>", " ", "ab", "abc", "bca", "cab", " a", " b", "aa", "bb", "\n"};
    for (char c = 'a'; c <= 'z'; ++c) pieces.emplace_back(1, c);
    for (const char* bytes : {"\xC3", "\xA9", "\xE4", "\xBD", "\xA0", "\xE4\xBD", "\xBD\xA0", "é", "你"}) {
      pieces.emplace_back(bytes);
    }
    return pieces;
  }

 private:
  std::vector<std::string> pieces_;
};

}  // namespace cairn::testing
