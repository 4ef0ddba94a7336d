#include <numeric>

#include "base/error.h"
#include "ops/attention/test_cache.h"
#include "ops/norm/norm.h"
#include "ops/rotary/rotary.h"

namespace cairn {
namespace {

using namespace testing;

class RotaryWriteKv : public EveryIsa {};

struct Batch {
  std::vector<Padded> x;  // q, k, v, rope_freqs, q_norm, k_norm
  Tensor k_cache, v_cache, slots, positions;
  Attributes rotary, attributes;
  bool freqs = false, norms = false;

  std::vector<TensorView> inputs() const {
    std::vector<TensorView> views = {x[0].view(),    x[1].view(),  x[2].view(),     k_cache.view(),
                                     v_cache.view(), slots.view(), positions.view()};
    if (freqs) views.push_back(x[3].view());
    if (norms) views.push_back(x[4].view()), views.push_back(x[5].view());
    return views;
  }
};

Batch random_batch(std::mt19937& random, int round) {
  const std::int64_t kv_heads = 1 + static_cast<std::int64_t>(random() % 3),
                     group = 1 + static_cast<std::int64_t>(random() % 3),
                     head_dim = 16 * (1 + static_cast<std::int64_t>(random() % 8)), blocks = 5, block_size = 16;
  const auto tokens = static_cast<std::int64_t>(random() % 40);
  const std::int64_t rotary_dim = round % 4 ? head_dim : head_dim / 2;
  Batch batch;
  for (std::int64_t heads : {group * kv_heads, kv_heads, kv_heads})
    batch.x.push_back(random_padded(random, {tokens, heads, head_dim}));
  batch.x.push_back(random_padded(random, {rotary_dim / 2}));
  batch.x.back().each([](float& x) { x = 1 + std::abs(x); });
  for (int i = 0; i < 2; ++i) batch.x.push_back(random_padded(random, {head_dim}));
  if (tokens > 2) batch.x[0].view().row<float>(1)[3] = NAN, batch.x[1].view().row<float>(2)[0] = INFINITY;
  const DType dtype = kKvDTypes[static_cast<std::size_t>(round % 5)];
  batch.k_cache = Tensor(dtype, kv_cache_shape(dtype, blocks, kv_heads, block_size, head_dim));
  batch.v_cache = Tensor(dtype, kv_cache_shape(dtype, blocks, kv_heads, block_size, head_dim));
  batch.slots = Tensor(DType::i64, {tokens}), batch.positions = Tensor(DType::i32, {tokens});
  std::vector<std::int64_t> free(static_cast<std::size_t>(blocks * block_size));
  std::iota(free.begin(), free.end(), 0);
  if (round % 2) std::shuffle(free.begin(), free.end(), random);
  for (std::int64_t t = 0; t < tokens; ++t) {
    batch.slots.as<std::int64_t>()[t] = random() % 8 ? free[static_cast<std::size_t>(t)] : -1;
    batch.positions.as<std::int32_t>()[t] = static_cast<std::int32_t>(random() % 5000);
  }
  batch.rotary = {{"theta", 1e4}, {"rotary_dim", rotary_dim}, {"interleaved", std::int64_t{round % 2}}};
  batch.attributes = batch.rotary;
  batch.freqs = random() % 2, batch.norms = random() % 2;
  if (batch.freqs) batch.attributes.set("rope_freqs", std::int64_t{1});
  if (batch.norms) batch.attributes.set("eps", 1e-6);
  return batch;
}

// The operators that RotaryWriteKv stands for, one after the other.
std::vector<Tensor> run_apart(const Batch& batch, Isa isa) {
  std::vector<Tensor> rotated;
  for (std::size_t i : {0, 1}) {
    Tensor normed;
    std::vector<TensorView> inputs = {batch.x[i].view(), batch.positions.view()};
    if (batch.norms) {
      normed = std::move(run_fast(kRmsNorm, {inputs[0], batch.x[4 + i].view()}, {{"eps", 1e-6}}, isa)[0]);
      inputs[0] = normed.view();
    }
    if (batch.freqs) inputs.push_back(batch.x[3].view());
    rotated.push_back(std::move(run_fast(kRotaryEmbedding, inputs, batch.rotary, isa)[0]));
  }
  std::vector<Tensor> caches = run_fast(
      kWriteKv, {rotated[1].view(), batch.x[2].view(), batch.k_cache.view(), batch.v_cache.view(), batch.slots.view()},
      {}, isa);
  std::vector<Tensor> outputs;
  outputs.push_back(std::move(rotated[0]));
  for (Tensor& cache : caches) outputs.push_back(std::move(cache));
  return outputs;
}

TEST_P(RotaryWriteKv, HasTheBitsOfTheOperatorsApart) {
  for (int round = 0; round < 60; ++round) {
    const Batch batch = random_batch(random, round);
    const std::vector<Tensor> expected = run_apart(batch, GetParam());
    for (int workers : {1, 2, 5}) {
      const std::vector<Tensor> actual =
          run_fast(kRotaryWriteKv, batch.inputs(), batch.attributes, GetParam(), workers);
      for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(same_bits(actual[i], expected[i])) << round << " " << i;
    }
  }
}

TEST_P(RotaryWriteKv, AgreesWithTheFormula) {
  for (int round = 0; round < 20; ++round) {
    Batch batch = random_batch(random, 5 * round);  // f32 caches
    for (auto* x : {&batch.x[0], &batch.x[1]}) x->each([](float& v) { v = std::isfinite(v) ? v : 0.5f; });
    const std::vector<Tensor> expected = run_reference(kRotaryWriteKv, batch.inputs(), batch.attributes),
                              actual = run_fast(kRotaryWriteKv, batch.inputs(), batch.attributes, GetParam(), 2);
    for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(near(actual[i], expected[i], 1e-5, 1e-5)) << round << " " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, RotaryWriteKv, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(RotaryWriteKvSchema, RefusesWhatTheOperatorsApartRefuse) {
  const Dim tokens = Dim::of_symbol(0);
  auto infer = [&](std::int64_t q_dim, std::int64_t rotary_dim, std::int64_t norm_dim) {
    const ValueType q = {DType::f32, {tokens, 4, q_dim}}, k = {DType::f32, {tokens, 2, 64}},
                    c = {DType::bf16, {9, 2, 16, 64}}, norm = {DType::f32, {norm_dim}};
    const std::vector<ValueType> types = {q, k, k, c, c, {DType::i64, {tokens}}, {DType::i32, {tokens}}, norm, norm};
    const Attributes attributes = {
        {"theta", 1e4}, {"rotary_dim", rotary_dim}, {"interleaved", std::int64_t{0}}, {"eps", 1e-6}};
    return kRotaryWriteKv.infer({types, attributes});
  };
  EXPECT_EQ(infer(64, 64, 64)[0].shape[1], Dim(4));
  EXPECT_THROW(infer(32, 32, 64), Error);
  EXPECT_THROW(infer(64, 66, 64), Error);
  EXPECT_THROW(infer(64, 64, 32), Error);
}

}  // namespace
}  // namespace cairn
