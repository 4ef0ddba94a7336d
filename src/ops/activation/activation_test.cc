#include "ops/activation/activation.h"

#include "base/error.h"
#include "ops/matmul/matmul.h"
#include "ops/registry/testing.h"

namespace cairn {
namespace {

using namespace testing;

class SwiGlu : public EveryIsa {};

TEST_P(SwiGlu, AgreesWithTheFormulaOnRandomShapesAndStrides) {
  for (int round = 0; round < 80; ++round) {
    const Shape shape = {static_cast<std::int64_t>(random() % 5), 1 + static_cast<std::int64_t>(random() % 1500)};
    Padded gate = random_padded(random, shape, 6), up = random_padded(random, shape);
    const std::vector<TensorView> inputs = {gate.view(), up.view()};
    Tensor actual = std::move(run_fast(kSwiGlu, inputs, {}, GetParam())[0]);
    ASSERT_TRUE(near(actual, run_reference(kSwiGlu, inputs)[0], 8 * 0x1p-24, 1e-38));
    ASSERT_TRUE(same_bits(run_fast(kSwiGlu, inputs, {}, GetParam(), 3)[0], actual));
  }
}

TEST_P(SwiGlu, SaturatesAtTheEndsAndCarriesNan) {
  Padded gate({1, 16}, 0), up({1, 16}, 0);
  const float values[16] = {0, -0.0f, 1e-40f, 100, -100, 1e30f, -1e30f, INFINITY, NAN, 88.5f, -88.5f, 1, -1, 2, 3, 4};
  std::copy_n(values, 16, gate.view().as<float>());
  up.each([](float& x) { x = 2; });
  Tensor actual = std::move(run_fast(kSwiGlu, {gate.view(), up.view()}, {}, GetParam())[0]);
  ASSERT_TRUE(near(actual, run_reference(kSwiGlu, {gate.view(), up.view()})[0], 8 * 0x1p-24, 1e-35));
  EXPECT_EQ(actual.as<float>()[7], INFINITY);
  EXPECT_TRUE(std::isnan(actual.as<float>()[8]));
}

TEST_P(SwiGlu, ConvertsItsResultAsTheStepAfterItWould) {
  for (int round = 0; round < 60; ++round) {
    const std::string to = std::array{"a8", "a8x2", "bf16"}[static_cast<std::size_t>(round % 3)];
    const std::int64_t columns = 1 + static_cast<std::int64_t>(random() % 50),
                       rows = static_cast<std::int64_t>(random() % 5);
    const Shape shape = {rows, to == "bf16" ? 31 * columns : 32 * columns};
    Padded gate = random_padded(random, shape, 6), up = random_padded(random, shape);
    if (rows > 1) gate.view().row<float>(1)[shape[1] - 1] = std::array{NAN, INFINITY, 1e-40f, 0.0f}[random() % 4];
    ASSERT_TRUE(converts_as_two_steps(kSwiGlu, kQuantizeActivation, {gate.view(), up.view()}, {}, to, GetParam(),
                                      1 + static_cast<int>(random() % 3)));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, SwiGlu, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(SwiGluSchema, RefusesDifferentShapes) {
  std::vector<ValueType> types = {{DType::f32, {Dim::of_symbol(0), 64}}, {DType::f32, {Dim::of_symbol(0), 32}}};
  EXPECT_THROW(kSwiGlu.infer({types, {}}), Error);
}

}  // namespace
}  // namespace cairn
