#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "backends/cpu/isa.h"
#include "backends/cpu/vec_test_kernels.h"
#include "tensor/float_formats.h"

namespace cairn {
#define X(isa) \
  namespace isa { extern const VecTable kVecTable; }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace {

const VecTable& table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kVecTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kVecTable;
}

class Vec : public ::testing::TestWithParam<Isa> {
 protected:
  const VecTable& vec = table(GetParam());
  std::mt19937 random{42};
};

TEST_P(Vec, ExpIsWithinThreeUlpAndRightAtTheEdges) {
  const float inf = std::numeric_limits<float>::infinity();
  float x[16] = {0, -0.0f, inf, -inf, std::nanf(""), 88.7f, 89, -87.3f, -88, -104, 1, -1, 1e-30f, 1e-45f, 0.5f, -50}, y[16];
  for (int round = 0; round < 4000; ++round) {
    vec.unary("exp", x, y);
    for (int i = 0; i < 16; ++i) {
      if (std::isnan(x[i])) {
        EXPECT_TRUE(std::isnan(y[i]));
        continue;
      }
      double exact = std::exp(static_cast<double>(x[i]));
      if (x[i] < -87.33654f) exact = 0;  // flushed, as documented
      if (x[i] > 88.72284f) exact = inf;
      if (std::isinf(exact)) EXPECT_EQ(y[i], inf) << x[i];
      else EXPECT_NEAR(y[i], exact, 3 * 6e-8 * exact) << x[i];
    }
    for (float& v : x) v = std::uniform_real_distribution<float>(-90, 90)(random);
  }
}

TEST_P(Vec, RoundsHalvesToEven) {
  float x[16] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 8388609.0f, 4194303.5f, -3.7f, 100.49f, 1e20f, 0, 1, 2, 3, 4, 5}, y[16];
  vec.unary("round", x, y);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(y[i], std::nearbyint(x[i])) << x[i];
}

TEST_P(Vec, StoresBf16LikeTheScalarConversion) {
  for (int round = 0; round < 5000; ++round) {
    float x[16], y[16];
    for (float& v : x) v = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    vec.unary("bf16", x, y);
    for (int i = 0; i < 16; ++i) {
      float expected = bf16_to_f32(f32_to_bf16(x[i]));
      EXPECT_EQ(std::bit_cast<std::uint32_t>(y[i]), std::bit_cast<std::uint32_t>(expected)) << x[i];
    }
  }
}

TEST_P(Vec, LoadsEveryHalf) {
  std::uint16_t x[16];
  float y[16];
  for (std::uint32_t bits = 0; bits < 65536; bits += 16) {
    for (std::uint32_t i = 0; i < 16; ++i) x[i] = static_cast<std::uint16_t>(bits + i);
    vec.load16(true, x, y);
    for (int i = 0; i < 16; ++i) {
      float expected = f16_to_f32(x[i]);
      if (std::isnan(expected)) EXPECT_TRUE(std::isnan(y[i]));
      else EXPECT_EQ(y[i], expected);
    }
  }
}

TEST_P(Vec, ByteDotsAreExactAtTheExtremes) {
  for (int round = 0; round < 2000; ++round) {
    for (bool small : {false, true}) {
      std::uint8_t w[64];
      std::int8_t a[64];
      std::int32_t acc[16], expected[16];
      for (int i = 0; i < 64; ++i) {
        w[i] = round == 0 ? (small ? 127 : 255) : static_cast<std::uint8_t>(random() % (small ? 128 : 256));
        a[i] = round == 0 ? -128 : static_cast<std::int8_t>(random());
      }
      if (small && round == 0)
        for (auto& v : a) v = -127;  // activations are quantized to [-127, 127]
      if (small)
        for (auto& v : a) v = v == -128 ? -127 : v;
      for (int i = 0; i < 16; ++i) {
        acc[i] = expected[i] = static_cast<std::int32_t>(random() % 1000);
        for (int j = 0; j < 4; ++j) expected[i] += w[4 * i + j] * a[4 * i + j];
      }
      vec.dot_bytes(small, w, a, acc);
      for (int i = 0; i < 16; ++i) ASSERT_EQ(acc[i], expected[i]);
    }
  }
}

TEST_P(Vec, PairDotAgreesWithDoublePrecision) {
  std::normal_distribution<float> normal;
  for (int round = 0; round < 500; ++round) {
    std::uint16_t w[32], a[32];
    float acc[16];
    double expected[16];
    for (int i = 0; i < 32; ++i) w[i] = f32_to_bf16(normal(random)), a[i] = f32_to_bf16(normal(random));
    for (int i = 0; i < 16; ++i) {
      acc[i] = normal(random);
      expected[i] = acc[i];
      for (int j = 0; j < 2; ++j) expected[i] += static_cast<double>(bf16_to_f32(w[2 * i + j])) * bf16_to_f32(a[2 * i + j]);
    }
    vec.dot_bf16(w, a, acc);
    for (int i = 0; i < 16; ++i) ASSERT_NEAR(acc[i], expected[i], 2e-6);
  }
}

TEST_P(Vec, ReducesInTheSameOrderEverywhere) {
  std::normal_distribution<float> normal;
  for (int round = 0; round < 500; ++round) {
    float x[16];
    for (float& v : x) v = normal(random);
    EXPECT_EQ(vec.reduce("add", x), table(Isa::portable).reduce("add", x));
    EXPECT_EQ(vec.reduce("max", x), table(Isa::portable).reduce("max", x));
  }
}

TEST_P(Vec, ConvertsToBytes) {
  float x[16] = {127, -127, -128, 0.5f, 1.5f, -0.5f, 0.49f, 3.2f, 0, 1, 2, 3, 4, 5, 6, 7};
  std::int8_t y[16];
  vec.to_i8(x, y);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(y[i], static_cast<std::int8_t>(std::nearbyint(x[i])));
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Vec, ::testing::ValuesIn(supported_isas()),
                         [](auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace cairn
