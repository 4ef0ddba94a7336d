#include "ops/elementwise/elementwise.h"

#include "base/error.h"
#include "ops/registry/testing.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

using namespace testing;

class Add : public EveryIsa {};

TEST_P(Add, IsExactOverShapesStridesAndBiasTypes) {
  for (int round = 0; round < 80; ++round) {
    const Shape shape = {static_cast<std::int64_t>(random() % 5), 1 + static_cast<std::int64_t>(random() % 2500)};
    Padded a = random_padded(random, shape), b = random_padded(random, shape);
    Tensor bias(std::array{DType::f32, DType::bf16, DType::f16}[round % 3], {shape[1]});
    std::vector<float> values(static_cast<std::size_t>(shape[1]));
    for (float& v : values) v = std::normal_distribution<float>()(random);
    encode_row(bias.view().dtype, values, bias.as<std::byte>());
    for (const TensorView& addend : {b.view(), bias.view()}) {
      const std::vector<TensorView> inputs = {a.view(), addend};
      ASSERT_TRUE(same_bits(run_fast(kAdd, inputs, {}, GetParam(), 1 + round % 3)[0], run_reference(kAdd, inputs)[0]));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Add, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(AddSchema, RefusesABiasOfAnotherWidth) {
  std::vector<ValueType> types = {{DType::f32, {Dim::of_symbol(0), 64}}, {DType::f32, {32}}};
  EXPECT_THROW(kAdd.infer({types, {}}), Error);
  types[1] = {DType::f32, {Dim::of_symbol(1), 64}};
  EXPECT_THROW(kAdd.infer({types, {}}), Error);
}

TEST(GatherRows, TakesRowsInOrderAndClampsStrays) {
  std::mt19937 random(1);
  Padded x = random_padded(random, {5, 37});
  Tensor rows(DType::i32, {6});
  const std::int32_t wanted[6] = {4, 0, 0, 3, -7, 99}, taken[6] = {4, 0, 0, 3, 0, 4};
  std::copy_n(wanted, 6, rows.as<std::int32_t>());
  for (int workers : {1, 4}) {
    Tensor out = std::move(run_fast(kGatherRows, {x.view(), rows.view()}, {}, Isa::portable, workers)[0]);
    ASSERT_EQ(out.view().shape, (Shape{6, 37}));
    for (int r = 0; r < 6; ++r)
      EXPECT_EQ(std::memcmp(out.view().row<float>(r), x.view().row<float>(taken[r]), 37 * 4), 0);
  }
}

TEST(GatherRows, OfNothingGivesNothing) {
  Padded x({0, 8}, 0);
  Tensor rows(DType::i32, {0});
  EXPECT_EQ(run_fast(kGatherRows, {x.view(), rows.view()}, {}, Isa::portable)[0].view().dim(0), 0);
}

TEST(Views, SplitAndReshapeSeeTheSameMemory) {
  std::mt19937 random(1);
  Padded x = random_padded(random, {4, 10 * 8});
  const Attributes sizes = {{"sizes", std::vector<std::int64_t>{32, 16, 32}}};
  std::vector<ValueType> types = {type_of(x.view())};
  EXPECT_EQ(kSplit.infer({types, sizes}).size(), 3u);
  TensorView part = kSplit.view(x.view(), 2, sizes);
  TensorView heads = kReshape.view(part, 0, {{"heads", std::int64_t{4}}});
  ASSERT_EQ(heads.shape, (Shape{4, 4, 8}));
  for (std::int64_t t = 0; t < 4; ++t)
    for (std::int64_t h = 0; h < 4; ++h)
      for (std::int64_t d = 0; d < 8; ++d)
        EXPECT_EQ(heads.row<float>(t) + h * heads.strides[1] + d * heads.strides[2],
                  x.view().row<float>(t) + 48 + h * 8 + d);
}

TEST(Views, RefuseSizesThatDoNotAddUp) {
  std::vector<ValueType> types = {{DType::f32, {Dim::of_symbol(0), 80}}};
  for (const std::vector<std::int64_t>& sizes :
       {std::vector<std::int64_t>{40, 41}, {40, 39}, {80, 0}, {-8, 88}, {}, {INT64_MAX, INT64_MAX, 82}}) {
    const Attributes attributes = {{"sizes", sizes}};
    EXPECT_THROW(kSplit.infer({types, attributes}), Error);
  }
  for (std::int64_t heads : {0, -1, 3, 81}) {
    const Attributes attributes = {{"heads", heads}};
    EXPECT_THROW(kReshape.infer({types, attributes}), Error);
  }
}

}  // namespace
}  // namespace cairn
