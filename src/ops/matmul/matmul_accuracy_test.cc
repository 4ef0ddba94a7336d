// How far MatMul on rounded activations is from the f32 product with the dequantized weight: README.md states it.
#include <numeric>

#include "ops/matmul/matmul.h"
#include "ops/matmul/packed_weight.h"
#include "ops/matmul/test_weights.h"
#include "ops/registry/testing.h"

namespace cairn {
namespace {

using namespace testing;

// The most that rounding x [K] to `activation` moves its product with w [K].
double bound_of(DType activation, std::span<const float> x, std::span<const float> w) {
  double bound = 0, products = 0, largest_w = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    products += std::abs(static_cast<double>(x[i]) * w[i]);
    largest_w = std::max(largest_w, std::abs(static_cast<double>(w[i])));
  }
  double x_sum = 0;
  for (float v : x) x_sum += std::abs(v);
  // f32 sums: as in matmul_test.cc.
  const double summing = (static_cast<double>(x.size()) + 8) * 0x1p-22 * x_sum * largest_w;
  if (activation == DType::f32) return summing;
  if (activation == DType::bf16) return products * 0x1p-9 * 1.01 + summing;
  for (std::size_t b = 0; b < x.size(); b += 32) {
    double amax = 0, w_sum = 0;
    for (std::size_t i = b; i < b + 32; ++i) {
      amax = std::max(amax, std::abs(static_cast<double>(x[i])));
      w_sum += std::abs(w[i]);
    }
    // Half a step of amax / 127; of what that leaves over, half a step of its amax / 127.
    bound += w_sum * amax / (activation == DType::a8 ? 254.0 : 254.0 * 254.0) * 1.01;
  }
  return bound + summing;
}

class MatMulAccuracy : public EveryIsa {
 protected:
  // Checks every output against the bound of its rounding, and all of them against `most` of their root mean square.
  void check(DType dtype, bool precise) {
    const DType activation = activation_dtype(dtype, GetParam(), precise);
    const double most = activation == DType::a8 ? 6e-3 : activation == DType::a8x2 ? 4e-5 : 2.5e-3;
    const std::int64_t t = 9, n = 40, k = 512;
    Tensor x(DType::f32, {t, k});
    std::normal_distribution<float> normal(0, 1);
    for (std::int64_t i = 0; i < t * k; ++i) x.as<float>()[i] = normal(random);
    Tensor weight = random_weight(random, dtype, n, k);
    PackedWeight packed(weight.view());
    Tensor expected = std::move(run_reference(kMatMul, {x.view(), weight.view()})[0]);
    Tensor converted;
    if (activation != DType::f32)
      converted = std::move(
          run_fast(kQuantizeActivation, {x.view()}, {{"dtype", std::string(name(activation))}}, GetParam())[0]);
    const TensorView a = activation == DType::f32 ? x.view() : converted.view();
    Tensor actual = std::move(run_fast(kMatMul, {a, packed.view()}, {}, GetParam())[0]);
    double error = 0, whole = 0;
    std::vector<float> w(static_cast<std::size_t>(k));
    for (std::int64_t j = 0; j < n; ++j) {
      decode_row(dtype, weight.view().data + row_bytes(dtype, k) * j, w);
      for (std::int64_t i = 0; i < t; ++i) {
        const double want = expected.view().row<float>(i)[j], got = actual.view().row<float>(i)[j];
        const std::span<const float> row(x.view().row<float>(i), static_cast<std::size_t>(k));
        ASSERT_LE(std::abs(got - want), bound_of(activation, row, w)) << name(dtype) << " row " << i << " output " << j;
        error += (got - want) * (got - want);
        whole += want * want;
      }
    }
    EXPECT_LE(std::sqrt(error / whole), most) << name(dtype) << " beside " << name(activation);
  }
};

TEST_P(MatMulAccuracy, StaysWithinTheBoundOfItsActivationsForEveryFormat) {
  for (DType dtype : kWeightTypes)
    for (bool precise : {false, true}) check(dtype, precise);
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, MatMulAccuracy, ::testing::ValuesIn(supported_isas()), isa_name);

}  // namespace
}  // namespace cairn
