#include "ops/norm/norm.h"

#include "base/error.h"
#include "ops/matmul/matmul.h"
#include "ops/registry/testing.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

using namespace testing;

const Attributes kEps = {{"eps", 1e-5}};

Tensor random_weight(std::mt19937& random, DType dtype, std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& v : values) v = std::normal_distribution<float>(1, 0.3f)(random);
  Tensor weight(dtype, {n});
  encode_row(dtype, values, weight.as<std::byte>());
  return weight;
}

class Norm : public EveryIsa {};

TEST_P(Norm, AgreesWithTheFormulaOnRandomShapesStridesAndWeightTypes) {
  for (int round = 0; round < 150; ++round) {
    const std::int64_t columns = round < 40 ? round + 1 : 1 + static_cast<std::int64_t>(random() % 700);
    const auto rows = static_cast<std::int64_t>(random() % 6);
    const bool heads = random() % 2;
    Padded x = random_padded(random, heads ? Shape{rows, 3, columns} : Shape{rows, columns},
                             std::exp2(static_cast<float>(random() % 30) - 15));
    Tensor weight = random_weight(random, std::array{DType::f32, DType::bf16, DType::f16}[random() % 3], columns);
    const std::vector<TensorView> inputs = {x.view(), weight.view()};
    Tensor expected = std::move(run_reference(kRmsNorm, inputs, kEps)[0]);
    Tensor actual = std::move(run_fast(kRmsNorm, inputs, kEps, GetParam())[0]);
    ASSERT_TRUE(near(actual, expected, (static_cast<double>(columns) + 8) * 0x1p-24, 1e-38)) << columns;
    ASSERT_TRUE(same_bits(run_fast(kRmsNorm, inputs, kEps, GetParam(), 3)[0], actual));
  }
}

TEST_P(Norm, OfASumKeepsTheSumExactly) {
  for (int round = 0; round < 60; ++round) {
    const Shape shape = {static_cast<std::int64_t>(random() % 5), 1 + static_cast<std::int64_t>(random() % 300)};
    Padded x = random_padded(random, shape), residual = random_padded(random, shape);
    Tensor weight = random_weight(random, DType::bf16, shape[1]);
    const std::vector<TensorView> inputs = {x.view(), residual.view(), weight.view()};
    std::vector<Tensor> expected = run_reference(kAddRmsNorm, inputs, kEps),
                        actual = run_fast(kAddRmsNorm, inputs, kEps, GetParam(), 2);
    ASSERT_TRUE(near(actual[0], expected[0], (static_cast<double>(shape[1]) + 8) * 0x1p-24, 1e-38));
    ASSERT_TRUE(same_bits(actual[1], expected[1]));
  }
}

TEST_P(Norm, ConvertsItsResultAsTheStepAfterItWould) {
  for (int round = 0; round < 60; ++round) {
    const std::string to = std::array{"a8", "a8x2", "bf16"}[static_cast<std::size_t>(round % 3)];
    const std::int64_t columns = 1 + static_cast<std::int64_t>(random() % 40),
                       rows = static_cast<std::int64_t>(random() % 6);
    const Shape shape = {rows, to == "bf16" ? columns : 32 * columns};
    Padded x = random_padded(random, shape), residual = random_padded(random, shape);
    if (rows > 1) x.view().row<float>(1)[0] = std::array{NAN, INFINITY, 1e-40f, 0.0f}[random() % 4];
    Tensor weight = random_weight(random, DType::f32, shape[1]);
    const int workers = 1 + static_cast<int>(random() % 3);
    ASSERT_TRUE(
        converts_as_two_steps(kRmsNorm, kQuantizeActivation, {x.view(), weight.view()}, kEps, to, GetParam(), workers));
    ASSERT_TRUE(converts_as_two_steps(kAddRmsNorm, kQuantizeActivation, {x.view(), residual.view(), weight.view()},
                                      kEps, to, GetParam(), workers));
  }
}

TEST_P(Norm, ARowsBitsDoNotDependOnItsPlace) {
  Padded x = random_padded(random, {7, 200});
  Tensor weight = random_weight(random, DType::f32, 200);
  Tensor all = std::move(run_fast(kRmsNorm, {x.view(), weight.view()}, kEps, GetParam())[0]);
  for (std::int64_t row = 0; row < 7; ++row) {
    TensorView alone = x.view();
    alone.data = reinterpret_cast<std::byte*>(alone.row<float>(row));
    alone.shape[0] = 1;
    Tensor one = std::move(run_fast(kRmsNorm, {alone, weight.view()}, kEps, GetParam())[0]);
    EXPECT_EQ(std::memcmp(one.as<float>(), all.as<float>() + row * 200, 800), 0);
  }
}

TEST_P(Norm, ZerosDenormalsInfinitiesAndNansBehaveAsInTheFormula) {
  const float inf = std::numeric_limits<float>::infinity();
  for (float special : {0.0f, -0.0f, 1e-40f, 1e30f, inf, -inf, std::nanf("")}) {
    Padded x = random_padded(random, {3, 50});
    x.view().row<float>(1)[17] = special;
    for (int i = 0; i < 50; ++i) x.view().row<float>(2)[i] = std::isfinite(special) && special < 1 ? special : 1.0f;
    Tensor weight = random_weight(random, DType::f32, 50);
    ASSERT_TRUE(near(run_fast(kRmsNorm, {x.view(), weight.view()}, kEps, GetParam())[0],
                     run_reference(kRmsNorm, {x.view(), weight.view()}, kEps)[0], 1e-5, 1e-44))
        << special;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Norm, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(NormSchema, RefusesWeightsOfAnotherLengthOrType) {
  auto infer = [](ValueType x, ValueType weight) {
    std::vector<ValueType> types = {x, weight};
    return kRmsNorm.infer({types, kEps});
  };
  EXPECT_EQ(infer({DType::f32, {Dim::of_symbol(0), 64}}, {DType::bf16, {64}})[0].shape[1], Dim(64));
  EXPECT_THROW(infer({DType::f32, {Dim::of_symbol(0), 64}}, {DType::f32, {65}}), Error);
  EXPECT_THROW(infer({DType::f32, {Dim::of_symbol(0), 64}}, {DType::q8_0, {64}}), Error);
  EXPECT_THROW(infer({DType::bf16, {Dim::of_symbol(0), 64}}, {DType::f32, {64}}), Error);
  auto converted = [](ValueType x, const char* to) {
    std::vector<ValueType> types = {x, {DType::f32, {x.shape.back()}}};
    const Attributes attributes = {{"eps", 1e-5}, {"dtype", std::string(to)}};
    return kRmsNorm.infer({types, attributes})[0].dtype;
  };
  EXPECT_EQ(converted({DType::f32, {Dim::of_symbol(0), 64}}, "a8"), DType::a8);
  EXPECT_THROW(converted({DType::f32, {Dim::of_symbol(0), 65}}, "a8"), Error);
  EXPECT_THROW(converted({DType::f32, {Dim::of_symbol(0), 2, 64}}, "a8"), Error);
  EXPECT_THROW(converted({DType::f32, {Dim::of_symbol(0), 64}}, "f16"), Error);
  EXPECT_THROW(infer({DType::f32, {64}}, {DType::f32, {64}}), Error);
  EXPECT_THROW(infer({DType::f32, {4, Dim::of_symbol(0)}}, {DType::f32, {Dim::of_symbol(0)}}), Error);
}

}  // namespace
}  // namespace cairn
