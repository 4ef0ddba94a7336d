#include <numeric>
#include <set>

#include "base/error.h"
#include "ops/attention/kv_layout.h"
#include "ops/attention/test_cache.h"

namespace cairn {
namespace {

using namespace testing;

TEST(KvLayout, EveryElementOfAGroupHasItsOwnPlace) {
  for (std::int64_t head_dim : {16, 80}) {
    std::set<std::int64_t> keys, values;
    for (std::int64_t token = 0; token < kKvGroup; ++token)
      for (std::int64_t d = 0; d < head_dim; ++d)
        keys.insert(k_in_group(token, d)), values.insert(v_in_group(token, d, head_dim));
    for (const auto& places : {keys, values}) {
      EXPECT_EQ(static_cast<std::int64_t>(places.size()), kKvGroup * head_dim);
      EXPECT_EQ(*places.rbegin(), kKvGroup * head_dim - 1);
    }
  }
}

class WriteKv : public EveryIsa {};

TEST_P(WriteKv, WritesWhatTheFormulaWritesAndNothingElse) {
  for (int round = 0; round < 40; ++round) {
    const std::int64_t heads = 1 + static_cast<std::int64_t>(random() % 3),
                       head_dim = 16 * (1 + static_cast<std::int64_t>(random() % 6));
    const std::int64_t block_size = 16 * (1 + static_cast<std::int64_t>(random() % 3)), blocks = 4,
                       slots = blocks * block_size;
    const auto tokens = static_cast<std::int64_t>(random() % 50) % slots;
    const DType dtype = round % 3 ? DType::bf16 : DType::f32;
    Padded k = random_padded(random, {tokens, heads, head_dim}), v = random_padded(random, {tokens, heads, head_dim});
    if (tokens > 2)
      k.view().row<float>(1)[3] = NAN, v.view().row<float>(2)[0] = -INFINITY, k.view().row<float>(0)[1] = 1e-40f;
    Tensor k_cache(dtype, {blocks, heads, block_size, head_dim}), v_cache(dtype, {blocks, heads, block_size, head_dim});
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
  EXPECT_THROW(infer(64, 16, DType::f16), Error);
  EXPECT_THROW(infer(64, 16, DType::bf16, 3), Error);
}

}  // namespace
}  // namespace cairn
