#include "ops/rotary/rotary.h"

#include "base/error.h"
#include "ops/registry/testing.h"
#include "ops/rotary/frequencies.h"

namespace cairn {
namespace {

using namespace testing;

Attributes attributes_of(std::int64_t rotary_dim, std::int64_t interleaved, double theta = 10000) {
  return {{"theta", theta}, {"rotary_dim", rotary_dim}, {"interleaved", interleaved}};
}

Attributes llama3() {
  return {{"theta", 500000.0},
          {"rotary_dim", std::int64_t{128}},
          {"interleaved", std::int64_t{0}},
          {"scaling", std::string("llama3")},
          {"factor", 8.0},
          {"low_freq_factor", 1.0},
          {"high_freq_factor", 4.0},
          {"original_max_position_embeddings", std::int64_t{8192}}};
}

class Rotary : public EveryIsa {};

TEST_P(Rotary, AgreesWithTheFormulaOverShapesPairingsAndPositions) {
  for (int round = 0; round < 80; ++round) {
    const std::int64_t head_dim = 2 * (1 + static_cast<std::int64_t>(random() % 70));
    const std::int64_t rotary_dim =
        random() % 2 ? head_dim : 2 * (1 + static_cast<std::int64_t>(random()) % (head_dim / 2));
    const std::int64_t tokens = static_cast<std::int64_t>(random() % 5);
    Padded x = random_padded(random, {tokens, 1 + static_cast<std::int64_t>(random() % 4), head_dim});
    Tensor positions(DType::i32, {tokens}), factors(DType::f32, {rotary_dim / 2});
    for (std::int64_t t = 0; t < tokens; ++t)
      positions.as<std::int32_t>()[t] = static_cast<std::int32_t>(random() % (round % 2 ? 200 : 1 << 20));
    for (std::int64_t i = 0; i < rotary_dim / 2; ++i) factors.as<float>()[i] = 1.0f + static_cast<float>(random() % 8);
    std::vector<TensorView> inputs = {x.view(), positions.view()};
    if (round % 3 == 0) inputs.push_back(factors.view());
    const Attributes attributes = attributes_of(rotary_dim, round % 2);
    Tensor actual = std::move(run_fast(kRotaryEmbedding, inputs, attributes, GetParam())[0]);
    ASSERT_TRUE(near(actual, run_reference(kRotaryEmbedding, inputs, attributes)[0], 0, 1e-6))
        << head_dim << " " << rotary_dim;
    ASSERT_TRUE(same_bits(run_fast(kRotaryEmbedding, inputs, attributes, GetParam(), 3)[0], actual));
  }
}

TEST_P(Rotary, PositionZeroChangesNothing) {
  Padded x = random_padded(random, {1, 2, 64});
  Tensor positions(DType::i32, {1});
  Tensor out = std::move(run_fast(kRotaryEmbedding, {x.view(), positions.view()}, attributes_of(64, 0), GetParam())[0]);
  for (int i = 0; i < 128; ++i) EXPECT_EQ(out.as<float>()[i], x.view().as<float>()[i]);
}

TEST_P(Rotary, SineAndCosineAreRightToAnUlpUpToAMillion) {
  // x = (1, 0): the output is (cos, sin) of position * frequency; frequencies are theta^(-i / 512).
  Padded x({1, 1, 1024}, 0);
  for (int i = 0; i < 1024; ++i) x.view().as<float>()[i] = i < 512 ? 1.0f : 0.0f;
  const Attributes attributes = attributes_of(1024, 0);
  const std::vector<float> frequencies = rotary_frequencies(attributes);
  for (std::int32_t position : {1, 3, 100, 4095, 65537, 131071, 1000003, 16777215}) {
    Tensor positions(DType::i32, {1});
    positions.as<std::int32_t>()[0] = position;
    Tensor out = std::move(run_fast(kRotaryEmbedding, {x.view(), positions.view()}, attributes, GetParam())[0]);
    for (std::size_t i = 0; i < 512; ++i) {
      const auto angle = static_cast<double>(static_cast<float>(position) * frequencies[i]);
      EXPECT_NEAR(out.as<float>()[i], std::cos(angle), 6e-8) << angle;
      EXPECT_NEAR(out.as<float>()[i + 512], std::sin(angle), 6e-8) << angle;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, Rotary, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(RotaryFrequencies, LinearScalingDividesThem) {
  Attributes attributes = attributes_of(8, 0);
  const std::vector<float> plain = rotary_frequencies(attributes);
  attributes.set("scaling", std::string("linear"));
  attributes.set("factor", 4.0);
  const std::vector<float> scaled = rotary_frequencies(attributes);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(scaled[i], plain[i] / 4);
  EXPECT_EQ(plain[0], 1.0f);
}

TEST(RotaryFrequencies, Llama3ScalingKeepsShortWavesAndDividesLongOnes) {
  // Values of transformers' llama3 rope for these factors, at these pairs.
  const std::vector<float> frequencies = rotary_frequencies(llama3());
  const std::pair<std::size_t, float> expected[] = {{0, 1.0f},
                                                    {1, 0.814617217f},
                                                    {16, 0.0376060307f},
                                                    {28, 0.00321144611f},
                                                    {32, 0.000524846022f},
                                                    {34, 0.000178507791f},
                                                    {36, 7.78465546e-05f},
                                                    {40, 3.42810235e-05f},
                                                    {63, 3.06892588e-07f}};
  for (const auto& [pair, value] : expected) EXPECT_EQ(frequencies[pair], value) << pair;
}

TEST(RotaryFrequencies, RefusesWhatItDoesNotKnow) {
  Attributes attributes = llama3();
  attributes.set("scaling", std::string("longrope"));
  EXPECT_THROW(rotary_frequencies(attributes), Error);
  attributes = llama3();
  attributes.set("factor", 0.0);
  EXPECT_THROW(rotary_frequencies(attributes), Error);
  attributes = llama3();
  attributes.set("high_freq_factor", 1.0);
  EXPECT_THROW(rotary_frequencies(attributes), Error);
}

TEST(RotarySchema, RefusesBadDimensions) {
  for (std::int64_t rotary_dim : {0, 3, 66, -2}) {
    std::vector<ValueType> types = {{DType::f32, {Dim::of_symbol(0), 4, 64}}, {DType::i32, {Dim::of_symbol(0)}}};
    const Attributes attributes = attributes_of(rotary_dim, 0);
    EXPECT_THROW(kRotaryEmbedding.infer({types, attributes}), Error) << rotary_dim;
  }
}

}  // namespace
}  // namespace cairn
