// A row's bits depend on the row alone: not on the batch, the tile it falls into, the workers, or neighbouring outputs.
#include "ops/matmul/matmul.h"
#include "ops/matmul/packed_weight.h"
#include "ops/matmul/test_weights.h"
#include "ops/registry/testing.h"

namespace cairn {
namespace {

using namespace testing;

Tensor activations(std::mt19937& random, DType weight, Isa isa, std::int64_t t, std::int64_t k, bool precise = false) {
  Tensor x(DType::f32, {t, k});
  std::normal_distribution<float> normal(0, 1);
  for (std::int64_t i = 0; i < t * k; ++i) x.as<float>()[i] = normal(random);
  const DType wanted = activation_dtype(weight, isa, precise);
  if (wanted == DType::f32) return x;
  return std::move(run_fast(kQuantizeActivation, {x.view()}, {{"dtype", std::string(name(wanted))}}, isa)[0]);
}

TensorView rows_of_view(TensorView view, std::int64_t begin, std::int64_t count) {
  view.data += begin * row_bytes(view.dtype, view.strides[0]);
  view.shape[0] = count;
  return view;
}

class MatMulBits : public EveryIsa {
 protected:
  Tensor run(const TensorView& x, const TensorView& weight, int workers) {
    return std::move(run_fast(kMatMul, {x, weight}, {}, GetParam(), workers)[0]);
  }
  void expect_same_rows(const Tensor& part, const Tensor& all, std::int64_t first) {
    const std::int64_t n = all.view().dim(1);
    ASSERT_EQ(std::memcmp(part.view().data, all.view().row<float>(first),
                          static_cast<std::size_t>(part.view().dim(0) * n) * 4),
              0);
  }
};

TEST_P(MatMulBits, OfARowAreTheSameInBatchesOf1To70AndForEveryWorkerCount) {
  for (DType dtype : kWeightTypes) {
    SCOPED_TRACE(name(dtype));
    // Over a slice of K for every format, an odd K where there are no blocks; a ragged last panel.
    const std::int64_t k = info(dtype).block_elements == 1 ? 301 : 768, n = GetParam() == Isa::portable ? 38 : 118;
    Tensor weight = random_weight(random, dtype, n, k);
    PackedWeight packed(weight.view());
    Tensor x = activations(random, dtype, GetParam(), 70, k, dtype == DType::q4_1 || dtype == DType::q6_k);
    Tensor all = run(x.view(), packed.view(), 1);
    for (std::int64_t m = 1; m <= 70; ++m) {
      const std::int64_t first = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(71 - m));
      expect_same_rows(run(rows_of_view(x.view(), first, m), packed.view(), 1 + static_cast<int>(m % 5)), all, first);
    }
  }
}

TEST_P(MatMulBits, AreTheSameAcrossBlocksOfRowsAndGridsOfWorkers) {
  for (DType dtype : {DType::bf16, DType::q4_1, DType::q8_0}) {
    Tensor weight = random_weight(random, dtype, 33, 64);
    PackedWeight packed(weight.view());
    Tensor x = activations(random, dtype, GetParam(), 600, 64, dtype == DType::q8_0);
    Tensor all = run(x.view(), packed.view(), 1);
    for (int workers : {2, 3, 4, 8, 16}) ASSERT_TRUE(same_bits(run(x.view(), packed.view(), workers), all)) << workers;
    for (std::int64_t row : {0, 255, 256, 511, 599})
      expect_same_rows(run(rows_of_view(x.view(), row, 1), packed.view(), 1), all, row);
  }
}

TEST_P(MatMulBits, OfAnOutputDoNotDependOnTheOtherWeights) {
  Tensor a = random_weight(random, DType::q4_k, 37, 256), b = random_weight(random, DType::q6_k, 53, 256);
  PackedWeight packed_a(a.view()), packed_b(b.view());
  for (std::int64_t t : {1, 4, 6, 20}) {
    Tensor x = activations(random, DType::q4_k, GetParam(), t, 256);
    Tensor first = run(x.view(), packed_a.view(), 1), second = run(x.view(), packed_b.view(), 1);
    for (int workers : {1, 2, 3}) {
      Tensor both =
          std::move(run_fast(kMatMul, {x.view(), packed_a.view(), packed_b.view()}, {}, GetParam(), workers)[0]);
      for (std::int64_t r = 0; r < t; ++r) {
        ASSERT_EQ(std::memcmp(both.view().row<float>(r), first.view().row<float>(r), 37 * 4), 0);
        ASSERT_EQ(std::memcmp(both.view().row<float>(r) + 37, second.view().row<float>(r), 53 * 4), 0);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, MatMulBits, ::testing::ValuesIn(supported_isas()), isa_name);

}  // namespace
}  // namespace cairn
