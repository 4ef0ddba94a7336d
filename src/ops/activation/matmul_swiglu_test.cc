#include "ops/activation/matmul_swiglu.h"

#include "base/error.h"
#include "ops/activation/activation.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/packed_weight.h"
#include "ops/matmul/test_weights.h"
#include "ops/registry/testing.h"

namespace cairn {
namespace {

using namespace testing;

class MatMulSwiGlu : public EveryIsa {
 protected:
  // Random x as the kernels of `weight` read it.
  Tensor activations(DType weight, std::int64_t rows, std::int64_t k, bool precise) {
    Tensor x(DType::f32, {rows, k});
    std::normal_distribution<float> normal(0, 1);
    for (std::int64_t i = 0; i < rows * k; ++i) x.as<float>()[i] = normal(random);
    const DType wanted = activation_dtype(weight, GetParam(), precise);
    if (wanted == DType::f32) return x;
    return std::move(run_fast(kQuantizeActivation, {x.view()}, {{"dtype", std::string(name(wanted))}}, GetParam())[0]);
  }
  Tensor in_two_steps(const TensorView& x, const TensorView& gate, const TensorView& up) {
    Tensor a = std::move(run_fast(kMatMul, {x, gate}, {}, GetParam())[0]),
           b = std::move(run_fast(kMatMul, {x, up}, {}, GetParam())[0]);
    return std::move(run_fast(kSwiGlu, {a.view(), b.view()}, {}, GetParam())[0]);
  }
};

TEST_P(MatMulSwiGlu, IsMatMulAndSwiGluBitForBitForEveryFormatShapeAndWorkerCount) {
  int round = 0;
  for (DType dtype : kWeightTypes) {
    for (std::int64_t rows : {0, 1, 3, 8, 21, 130, 300}) {
      SCOPED_TRACE(std::string(name(dtype)) + " " + std::to_string(rows));
      const std::int64_t k = random_columns(random, dtype, 96), outputs = 1 + static_cast<std::int64_t>(random() % 300);
      const PackedWeight gate(random_weight(random, dtype, outputs, k).view()),
          up(random_weight(random, dtype, outputs, k).view());
      const Tensor x = activations(dtype, rows, k, ++round % 2 == 0);
      const Tensor expected = in_two_steps(x.view(), gate.view(), up.view());
      for (int workers : {1, 3})
        ASSERT_TRUE(same_bits(run_fast(kMatMulSwiGlu, {x.view(), gate.view(), up.view()}, {}, GetParam(), workers)[0],
                              expected))
            << workers;
    }
  }
}

TEST_P(MatMulSwiGlu, AgreesWithTheFormula) {
  const PackedWeight gate(random_weight(random, DType::bf16, 70, 40).view()),
      up(random_weight(random, DType::f16, 70, 40).view());
  Tensor x(DType::f32, {5, 40});
  std::normal_distribution<float> normal(0, 1);
  for (std::int64_t i = 0; i < 200; ++i) x.as<float>()[i] = normal(random);
  const std::vector<TensorView> inputs = {x.view(), gate.view(), up.view()};
  ASSERT_TRUE(
      near(run_fast(kMatMulSwiGlu, inputs, {}, GetParam())[0], run_reference(kMatMulSwiGlu, inputs)[0], 1e-5, 1e-5));
}

TEST_P(MatMulSwiGlu, ConvertsItsResultAsTheStepAfterItWould) {
  for (const std::string to : {"a8", "a8x2", "bf16"}) {
    for (std::int64_t rows : {1, 9, 260}) {
      const std::int64_t outputs = 32 * (1 + static_cast<std::int64_t>(random() % 12));
      const PackedWeight gate(random_weight(random, DType::q8_0, outputs, 64).view()),
          up(random_weight(random, DType::q4_0, outputs, 64).view());
      const Tensor x = activations(DType::q8_0, rows, 64, rows == 9);
      ASSERT_TRUE(converts_as_two_steps(kMatMulSwiGlu, kQuantizeActivation, {x.view(), gate.view(), up.view()}, {}, to,
                                        GetParam(), 1 + static_cast<int>(random() % 3)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, MatMulSwiGlu, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(MatMulSwiGluSchema, RefusesWeightsOfDifferentShapes) {
  const ValueType x = {DType::f32, {Dim::of_symbol(0), 64}};
  std::vector<ValueType> types = {x, {DType::f32, {32, 64}}, {DType::f32, {48, 64}}};
  EXPECT_THROW(kMatMulSwiGlu.infer({types, {}}), Error);
  types[2] = {DType::f32, {32, 60}};
  EXPECT_THROW(kMatMulSwiGlu.infer({types, {}}), Error);
  types[2] = types[1];
  EXPECT_EQ(kMatMulSwiGlu.infer({types, {}})[0].shape[1].value, 32);
}

}  // namespace
}  // namespace cairn
