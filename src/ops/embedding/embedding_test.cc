#include "ops/embedding/embedding.h"

#include "base/error.h"
#include "ops/matmul/packed_weight.h"
#include "ops/matmul/test_weights.h"
#include "ops/registry/testing.h"

namespace cairn {
namespace {

using namespace testing;

Tensor ids_of(const std::vector<std::int32_t>& ids) {
  Tensor tensor(DType::i32, {static_cast<std::int64_t>(ids.size())});
  std::copy(ids.begin(), ids.end(), tensor.as<std::int32_t>());
  return tensor;
}

TEST(Embedding, GivesTheStoredRowsFromEitherLayout) {
  std::mt19937 random(3);
  for (DType dtype : kWeightTypes) {
    const std::int64_t vocabulary = 77, k = random_columns(random, dtype, 300);
    Tensor weight = random_weight(random, dtype, vocabulary, k);
    PackedWeight packed(weight.view());
    Tensor ids = ids_of({5, 76, 0, 16, 15, 5, 31});
    Tensor expected = std::move(run_reference(kEmbedding, {ids.view(), weight.view()})[0]);
    std::vector<float> row(static_cast<std::size_t>(k));
    for (std::int64_t t = 0; t < 7; ++t) {
      decode_row(dtype, weight.view().data + row_bytes(dtype, k) * ids.as<std::int32_t>()[t], row);
      ASSERT_EQ(std::memcmp(expected.view().row<float>(t), row.data(), row.size() * 4), 0) << name(dtype);
    }
    for (int workers : {1, 3}) {
      EXPECT_TRUE(same_bits(run_fast(kEmbedding, {ids.view(), weight.view()}, {}, Isa::portable, workers)[0], expected))
          << name(dtype);
      EXPECT_TRUE(same_bits(run_fast(kEmbedding, {ids.view(), packed.view()}, {}, Isa::portable, workers)[0], expected))
          << name(dtype);
    }
  }
}

TEST(Embedding, ReadsNothingOutsideTheWeightForWrongIds) {
  std::mt19937 random(3);
  Tensor weight = random_weight(random, DType::f32, 10, 8);
  Tensor wrong = ids_of({-1, 10, INT32_MIN, INT32_MAX}), clamped = ids_of({0, 9, 0, 9});
  PackedWeight packed(weight.view());
  for (const TensorView& view : {weight.view(), packed.view()})
    EXPECT_TRUE(same_bits(run_fast(kEmbedding, {wrong.view(), view}, {}, Isa::portable)[0],
                          run_reference(kEmbedding, {clamped.view(), view})[0]));
}

TEST(EmbeddingSchema, RefusesOtherTypesAndAnEmptyVocabulary) {
  auto infer = [](ValueType ids, ValueType weight) {
    std::vector<ValueType> types = {ids, weight};
    return kEmbedding.infer({types, {}});
  };
  const ValueType ids{DType::i32, {Dim::of_symbol(0)}};
  EXPECT_EQ(infer(ids, {DType::q4_1, {100, 64}})[0].shape, (SymShape{Dim::of_symbol(0), 64}));
  EXPECT_THROW(infer({DType::i64, {4}}, {DType::f32, {100, 64}}), Error);
  EXPECT_THROW(infer(ids, {DType::f32, {0, 64}}), Error);
  EXPECT_THROW(infer(ids, {DType::a8, {100, 64}}), Error);
  EXPECT_THROW(infer(ids, {DType::f32, {100}}), Error);
}

}  // namespace
}  // namespace cairn
