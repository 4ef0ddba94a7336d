#include <numeric>
#include <set>

#include "base/error.h"
#include "ops/attention/kv_layout.h"
#include "ops/attention/test_cache.h"

namespace cairn {
namespace {

using namespace testing;

TEST(KvLayout, EveryElementOfAGroupHasItsOwnPlace) {
  for (std::int64_t head_dim : {16, 32, 80, 112}) {
    const bool pairs = head_dim % 32 == 0;
    std::set<std::int64_t> keys, values;
    for (std::int64_t token = 0; token < kKvGroup; ++token)
      for (std::int64_t d = 0; d < head_dim; ++d)
        keys.insert(k_in_group(token, d, pairs)), values.insert(v_in_group(token, d, head_dim, pairs));
    for (const auto& places : {keys, values}) {
      EXPECT_EQ(static_cast<std::int64_t>(places.size()), kKvGroup * head_dim);
      EXPECT_EQ(*places.rbegin(), kKvGroup * head_dim - 1);
    }
  }
}

class WriteKv : public EveryIsa {};

TEST_P(WriteKv, WritesWhatTheFormulaWritesAndNothingElse) {
  for (int round = 0; round < 60; ++round) {
    const std::int64_t heads = 1 + static_cast<std::int64_t>(random() % 3),
                       head_dim = 16 * (1 + static_cast<std::int64_t>(random() % 6));
    const std::int64_t block_size = 16 * (1 + static_cast<std::int64_t>(random() % 3)), blocks = 4,
                       slots = blocks * block_size;
    const auto tokens = static_cast<std::int64_t>(random() % 50) % slots;
    const DType dtype = kKvDTypes[static_cast<std::size_t>(round % 5)];
    Padded k = random_padded(random, {tokens, heads, head_dim}), v = random_padded(random, {tokens, heads, head_dim});
    if (tokens > 2)
      k.view().row<float>(1)[3] = NAN, v.view().row<float>(2)[0] = -INFINITY, k.view().row<float>(0)[1] = 1e-40f;
    if (round > 30) {
      for (Padded* x : {&k, &v})
        x->each([&](float& value) { value *= std::ldexp(1.0f, static_cast<int>(random() % 60) - 40); });
    }
    const Shape shape = kv_cache_shape(dtype, blocks, heads, block_size, head_dim);
    Tensor k_cache(dtype, shape), v_cache(dtype, shape);
    std::vector<std::int64_t> free(static_cast<std::size_t>(slots));
    std::iota(free.begin(), free.end(), 0);
    if (round % 2) std::shuffle(free.begin(), free.end(), random);
    Tensor slot_mapping(DType::i64, {tokens});
    for (std::int64_t t = 0; t < tokens; ++t)
      slot_mapping.as<std::int64_t>()[t] =
          random() % 8 == 0 ? (random() % 2 ? -1 : slots) : free[static_cast<std::size_t>(t)];
    const std::vector<TensorView> inputs = {k.view(), v.view(), k_cache.view(), v_cache.view(), slot_mapping.view()};
    std::vector<Tensor> expected = run_reference(kWriteKv, inputs);
    for (int workers : {1, 2, 5}) {
      std::vector<Tensor> actual = run_fast(kWriteKv, inputs, {}, GetParam(), workers);
      ASSERT_TRUE(same_bits(actual[0], expected[0]) && same_bits(actual[1], expected[1])) << workers;
    }
  }
}

// A token that sees itself alone gets its value as it is stored.
Tensor read_back(const Padded& v, DType dtype, Isa isa) {
  const std::int64_t heads = v.view().dim(1), head_dim = v.view().dim(2);
  const Shape shape = kv_cache_shape(dtype, 1, heads, 16, head_dim);
  Tensor k_cache(dtype, shape), v_cache(dtype, shape), slot(DType::i64, {1}), table(DType::i32, {1, 1}),
      starts(DType::i32, {2}), lengths(DType::i32, {1});
  starts.as<std::int32_t>()[1] = lengths.as<std::int32_t>()[0] = 1;
  const Padded zeros({1, heads, head_dim}, 0);
  for (std::int64_t i = 0; i < heads * head_dim; ++i) zeros.view().as<float>()[i] = 0;
  std::vector<Tensor> caches =
      run_fast(kWriteKv, {zeros.view(), v.view(), k_cache.view(), v_cache.view(), slot.view()}, {}, isa);
  return std::move(run_fast(
      kPagedAttention, {zeros.view(), caches[0].view(), caches[1].view(), table.view(), starts.view(), lengths.view()},
      {{"scale", 1.0}}, isa)[0]);
}

TEST_P(WriteKv, RoundsWithinTheStatedBounds) {
  struct Bound {
    DType dtype;
    float relative, absolute, of_largest;
  };
  for (const Bound& bound :
       {Bound{DType::f32, 0, 0, 0}, Bound{DType::f16, 0x1p-11f, 0x1p-25f, 0}, Bound{DType::bf16, 0x1p-8f, 0x1p-134f, 0},
        Bound{DType::i8, 0, 0x1p-100f, 1 / 253.9f}, Bound{DType::f8_e4m3, 0x1p-4f, 0x1p-10f, 0}}) {
    for (int exponent : {0, -4, -9, 7}) {
      Padded v = random_padded(random, {1, 3, 48}, std::ldexp(1.0f, exponent));
      v.view().as<float>()[5] = 0, v.view().as<float>()[7] = 1e-40f;
      const Tensor stored = read_back(v, bound.dtype, GetParam());
      for (std::int64_t head = 0; head < 3; ++head) {
        const float* row = v.view().as<float>() + head * 48;
        float largest = 0;
        for (int d = 0; d < 48; ++d) largest = std::max(largest, std::abs(row[d]));
        for (int d = 0; d < 48; ++d) {
          const float expected = bound.dtype == DType::f8_e4m3 ? std::clamp(row[d], -448.0f, 448.0f) : row[d];
          ASSERT_LE(std::abs(stored.as<float>()[head * 48 + d] - expected),
                    bound.relative * std::abs(expected) + bound.absolute + bound.of_largest * largest)
              << name(bound.dtype) << " " << row[d];
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, WriteKv, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(WriteKvSchema, NamesWhatItDoesNotTake) {
  const Dim tokens = Dim::of_symbol(0);
  auto infer = [&](std::int64_t head_dim, std::int64_t block_size, DType cache, std::int64_t k_heads = 2) {
    const ValueType k = {DType::f32, {tokens, k_heads, head_dim}}, c = {cache, {9, 2, block_size, head_dim}};
    const std::vector<ValueType> types = {k, k, c, c, {DType::i64, {tokens}}};
    return kWriteKv.infer({types, {}});
  };
  EXPECT_EQ(infer(64, 16, DType::bf16).size(), 2u);
  EXPECT_THROW(infer(72, 16, DType::bf16), Error);
  EXPECT_THROW(infer(1024, 16, DType::bf16), Error);
  EXPECT_THROW(infer(64, 24, DType::bf16), Error);
  EXPECT_THROW(infer(64, 0, DType::bf16), Error);
  EXPECT_THROW(infer(64, 16, DType::i8), Error) << "no room for scales";
  EXPECT_THROW(infer(64, 16, DType::u8), Error);
  EXPECT_THROW(infer(64, 16, DType::bf16, 3), Error);
}

}  // namespace
}  // namespace cairn
