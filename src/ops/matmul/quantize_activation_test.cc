#include "base/error.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/reference.h"
#include "ops/registry/testing.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

using namespace testing;

const Attributes kA8 = {{"dtype", std::string("a8")}}, kA8x2 = {{"dtype", std::string("a8x2")}},
                 kBf16 = {{"dtype", std::string("bf16")}};

class QuantizeActivation : public EveryIsa {};

TEST_P(QuantizeActivation, ToA8IsTheReferenceToTheBit) {
  for (int round = 0; round < 40; ++round) {
    const Shape shape = {static_cast<std::int64_t>(random() % 6), 32 * (1 + static_cast<std::int64_t>(random() % 20))};
    Padded x = random_padded(random, shape, std::exp2(static_cast<float>(random() % 200) - 130));
    const std::vector<TensorView> inputs = {x.view()};
    for (const Attributes& to : {kA8, kA8x2}) {
      Tensor expected = std::move(run_reference(kQuantizeActivation, inputs, to)[0]);
      for (int workers : {1, 3})
        ASSERT_TRUE(same_bits(run_fast(kQuantizeActivation, inputs, to, GetParam(), workers)[0], expected));
    }
  }
}

TEST_P(QuantizeActivation, IsWithinHalfAStepOfTheValue) {
  Padded x = random_padded(random, {4, 256});
  // The second plane's step is 1/127 of the half step that the first one leaves.
  for (const auto& [to, half_step] : {std::pair{kA8, 0.5f / 127}, {kA8x2, 0.25f / (127 * 127)}}) {
    Tensor q = std::move(run_fast(kQuantizeActivation, {x.view()}, to, GetParam())[0]);
    std::vector<float> decoded(256);
    for (std::int64_t t = 0; t < 4; ++t) {
      decode_activation(q.view(), t, decoded);
      for (std::int64_t b = 0; b < 8; ++b) {
        float amax = 0;
        for (std::int64_t i = 32 * b; i < 32 * b + 32; ++i) amax = std::max(amax, std::abs(x.view().row<float>(t)[i]));
        for (std::int64_t i = 32 * b; i < 32 * b + 32; ++i)
          ASSERT_LE(std::abs(decoded[static_cast<std::size_t>(i)] - x.view().row<float>(t)[i]),
                    amax * (half_step + 1e-6f));
      }
    }
  }
}

TEST_P(QuantizeActivation, ToBf16IsTheReferenceToTheBit) {
  for (std::int64_t k = 1; k < 70; ++k) {
    Padded x = random_padded(random, {3, k});
    x.view().row<float>(1)[k / 2] = std::array{std::nanf(""), INFINITY, -0.0f, 1e-40f}[static_cast<std::size_t>(k % 4)];
    ASSERT_TRUE(same_bits(run_fast(kQuantizeActivation, {x.view()}, kBf16, GetParam(), 2)[0],
                          run_reference(kQuantizeActivation, {x.view()}, kBf16)[0]));
  }
}

TEST_P(QuantizeActivation, ABlockThatIsNotFiniteHasANanScaleAndItsNeighboursDoNot) {
  for (float special : {std::nanf(""), -std::nanf(""), INFINITY, -INFINITY}) {
    for (int at : {32, 40, 63}) {
      Padded x = random_padded(random, {1, 96});
      x.view().row<float>(0)[at] = special;
      Tensor q = std::move(run_fast(kQuantizeActivation, {x.view()}, kA8, GetParam())[0]);
      const auto* scales = reinterpret_cast<const float*>(q.as<std::int8_t>() + 96);
      EXPECT_TRUE(std::isfinite(scales[0]) && std::isfinite(scales[2]));
      EXPECT_TRUE(std::isnan(scales[1]) && std::isnan(scales[4]));
      EXPECT_TRUE(same_bits(run_fast(kQuantizeActivation, {x.view()}, kA8x2, GetParam())[0],
                            run_reference(kQuantizeActivation, {x.view()}, kA8x2)[0]));
    }
  }
}

TEST_P(QuantizeActivation, ZerosAndDenormalsBecomeZeroAndTheLargestValuesFit) {
  Padded x = random_padded(random, {3, 32});
  for (int i = 0; i < 32; ++i) {
    x.view().row<float>(0)[i] = -0.0f;
    x.view().row<float>(1)[i] = i % 2 ? 1e-40f : -1e-42f;
    x.view().row<float>(2)[i] = i % 2 ? 3.4e38f : -3.4e38f;
  }
  Tensor q = std::move(run_fast(kQuantizeActivation, {x.view()}, kA8, GetParam())[0]);
  std::vector<float> decoded(32);
  for (std::int64_t t : {0, 1}) {
    decode_activation(q.view(), t, decoded);
    for (float v : decoded) EXPECT_EQ(v, 0.0f);
  }
  decode_activation(q.view(), 2, decoded);
  for (int i = 0; i < 32; ++i)
    EXPECT_NEAR(decoded[static_cast<std::size_t>(i)] / x.view().row<float>(2)[i], 1.0f, 1e-6f);
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, QuantizeActivation, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(QuantizeActivationSchema, RefusesOtherTypesAndColumnsThatAreNoBlocks) {
  auto infer = [](ValueType x, const Attributes& attributes) {
    std::vector<ValueType> types = {x};
    return kQuantizeActivation.infer({types, attributes});
  };
  EXPECT_EQ(infer({DType::f32, {Dim::of_symbol(0), 64}}, kA8)[0].dtype, DType::a8);
  EXPECT_EQ(infer({DType::f32, {Dim::of_symbol(0), 63}}, kBf16)[0].dtype, DType::bf16);
  EXPECT_THROW(infer({DType::f32, {Dim::of_symbol(0), 63}}, kA8), Error);
  EXPECT_THROW(infer({DType::bf16, {4, 64}}, kA8), Error);
  EXPECT_THROW(infer({DType::f32, {4, 64}}, {{"dtype", std::string("i8")}}), Error);
  EXPECT_THROW(infer({DType::f32, {4, Dim::of_symbol(0)}}, kBf16), Error);
}

}  // namespace
}  // namespace cairn
