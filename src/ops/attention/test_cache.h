// A random paged cache and batch for attention tests.
#pragma once

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <vector>

#include "ops/attention/attention.h"
#include "ops/attention/kv_cache.h"
#include "ops/registry/testing.h"
#include "tensor/float_formats.h"

namespace cairn::testing {

inline constexpr std::array kKvDTypes = {DType::f32, DType::f16, DType::bf16, DType::i8, DType::f8_e4m3};

struct SequenceShape {
  std::int64_t query = 1, length = 1;  // new tokens, all tokens
};

struct CacheShape {
  std::int64_t q_heads = 4, kv_heads = 2, head_dim = 64, block_size = 16;
  DType dtype = DType::bf16;
};

/// Caches hold finite random numbers where sequences have tokens and nan everywhere else; block tables are shuffled.
class AttentionCase {
 public:
  AttentionCase(std::mt19937& random, const CacheShape& shape, std::vector<SequenceShape> sequences, float scale = 1.0f,
                const std::string& products = "f32")
      : shape_(shape), sequences_(std::move(sequences)) {
    std::int64_t blocks = 1, tokens = 0;
    for (const SequenceShape& s : sequences_) {
      max_blocks_ = std::max(max_blocks_, (s.length + shape.block_size - 1) / shape.block_size);
      blocks += (s.length + shape.block_size - 1) / shape.block_size, tokens += s.query;
    }
    const Shape cache = kv_cache_shape(shape.dtype, blocks, shape.kv_heads, shape.block_size, shape.head_dim);
    k_ = Tensor(shape.dtype, cache), v_ = Tensor(shape.dtype, cache);
    for (Tensor* t : {&k_, &v_})
      std::memset(t->as<std::byte>(), 0xFF, static_cast<std::size_t>(byte_size(shape.dtype, cache)));
    tables_ = Tensor(DType::i32, {static_cast<std::int64_t>(sequences_.size()), max_blocks_});
    std::vector<std::int32_t> order(static_cast<std::size_t>(blocks - 1));
    std::iota(order.begin(), order.end(), 1);
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t s = 0; s < sequences_.size(); ++s) {
      for (std::int64_t b = 0; b * shape.block_size < sequences_[s].length; ++b) {
        tables_.view().row<std::int32_t>(static_cast<std::int64_t>(s))[b] = order.back();
        order.pop_back();
      }
      fill_sequence(random, static_cast<std::int64_t>(s), scale);
    }
    q_ = random_padded(random, {tokens, shape.q_heads, shape.head_dim}, scale);
    attributes_ = {{"scale", 1 / std::sqrt(static_cast<double>(shape.head_dim))}, {"products", products}};
  }

  const SequenceShape& sequence(std::size_t s) const { return sequences_[s]; }
  const Padded& q() const { return q_; }
  Padded& q() { return q_; }
  Tensor& k() { return k_; }
  Tensor& v() { return v_; }
  const Attributes& attributes() const { return attributes_; }
  /// Gives the operator a window of positions and a cap of scores; 0: none.
  void limit(std::int64_t window, double softcap) {
    attributes_.set("sliding_window", window), attributes_.set("attn_logit_softcapping", softcap);
  }

  /// Queries of the given parts of sequences: part.sequence's tokens [from, to) of its new tokens, as one batch.
  struct Part {
    std::size_t sequence = 0;
    std::int64_t from = 0, to = 0;
  };
  std::vector<Part> whole() const {
    std::vector<Part> parts;
    for (std::size_t s = 0; s < sequences_.size(); ++s) parts.push_back({s, 0, sequences_[s].query});
    return parts;
  }
  std::int64_t first_token(std::size_t s) const {
    std::int64_t first = 0;
    for (std::size_t i = 0; i < s; ++i) first += sequences_[i].query;
    return first;
  }

  /// Output rows of the parts, one after the other. `fast`: on that set with that many workers; else the reference.
  Tensor run(const std::vector<Part>& parts, bool fast, Isa isa = Isa::portable, int workers = 1) const {
    std::int64_t tokens = 0;
    for (const Part& part : parts) tokens += part.to - part.from;
    const auto count = static_cast<std::int64_t>(parts.size());
    Padded q({tokens, shape_.q_heads, shape_.head_dim}, 16);
    Tensor tables(DType::i32, {count, max_blocks_}), starts(DType::i32, {count + 1}), lengths(DType::i32, {count});
    std::int64_t token = 0;
    for (std::int64_t p = 0; p < count; ++p) {
      const Part& part = parts[static_cast<std::size_t>(p)];
      const SequenceShape& s = sequences_[part.sequence];
      for (std::int64_t i = part.from; i < part.to; ++i, ++token)
        std::copy_n(q_.view().row<float>(first_token(part.sequence) + i), shape_.q_heads * shape_.head_dim,
                    q.view().row<float>(token));
      std::copy_n(tables_.view().row<std::int32_t>(static_cast<std::int64_t>(part.sequence)), max_blocks_,
                  tables.view().row<std::int32_t>(p));
      starts.as<std::int32_t>()[p + 1] = static_cast<std::int32_t>(token);
      lengths.as<std::int32_t>()[p] = static_cast<std::int32_t>(s.length - s.query + part.to);
    }
    const std::vector<TensorView> inputs = {q.view(),      k_.view(),     v_.view(),
                                            tables.view(), starts.view(), lengths.view()};
    if (fast) return std::move(run_fast(kPagedAttention, inputs, attributes_, isa, workers)[0]);
    return std::move(run_reference(kPagedAttention, inputs, attributes_)[0]);
  }

  /// Makes the block table name no block for the block of that number.
  void forget_block(std::int64_t sequence, std::int64_t block) {
    tables_.view().row<std::int32_t>(sequence)[block] = -1;
  }

  /// Sets every key and value of one token.
  void overwrite(std::int64_t sequence, std::int64_t position, float value) {
    Padded rows({1, shape_.kv_heads, shape_.head_dim}, 0);
    rows.each([&](float& x) { x = value; });
    write(sequence, position, rows, rows);
  }

 private:
  void fill_sequence(std::mt19937& random, std::int64_t s, float scale) {
    const std::int64_t length = sequences_[static_cast<std::size_t>(s)].length;
    Padded k = random_padded(random, {length, shape_.kv_heads, shape_.head_dim}, scale);
    Padded v = random_padded(random, {length, shape_.kv_heads, shape_.head_dim});
    write(s, 0, k, v);
  }

  // Keys and values of a sequence's tokens from `first` on.
  void write(std::int64_t s, std::int64_t first, const Padded& k, const Padded& v) {
    Tensor slots(DType::i64, {k.view().dim(0)});
    for (std::int64_t i = 0; i < k.view().dim(0); ++i) {
      const std::int64_t block = tables_.view().row<std::int32_t>(s)[(first + i) / shape_.block_size];
      slots.as<std::int64_t>()[i] = block * shape_.block_size + (first + i) % shape_.block_size;
    }
    const std::vector<TensorView> inputs = {k.view(), v.view(), k_.view(), v_.view(), slots.view()},
                                  outputs = {k_.view(), v_.view()};
    kWriteKv.reference(inputs, outputs, {});
  }

  CacheShape shape_;
  std::vector<SequenceShape> sequences_;
  std::int64_t max_blocks_ = 1;
  Tensor k_, v_, tables_;
  Padded q_{{0, 1, 16}, 0};
  Attributes attributes_;
};

}  // namespace cairn::testing
