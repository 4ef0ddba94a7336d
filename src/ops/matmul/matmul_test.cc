#include "ops/matmul/matmul.h"

#include "base/error.h"
#include "ops/matmul/packed_weight.h"
#include "ops/matmul/reference.h"
#include "ops/matmul/test_weights.h"
#include "ops/registry/testing.h"

namespace cairn {
namespace {

using namespace testing;

// x as the kernels of `isa` read it beside weights of `dtype`.
Tensor activations_for(const Padded& x, DType dtype, Isa isa, bool precise = false) {
  const DType wanted = activation_dtype(dtype, isa, precise);
  if (wanted != DType::f32)
    return std::move(run_reference(kQuantizeActivation, {x.view()}, {{"dtype", std::string(name(wanted))}})[0]);
  Tensor copy(DType::f32, x.view().shape);
  for (std::int64_t t = 0; t < x.view().dim(0); ++t)
    std::memcpy(copy.view().row<float>(t), x.view().row<float>(t),
                static_cast<std::size_t>(x.view().dim(1)) * sizeof(float));
  return copy;
}

// The rounding of f32 sums: one rounding a term (a block of 32 has two: its products with scale and minimum), each at
// most half an ulp of a partial sum, which the sum of |a| times the largest |w| bounds. 4: a minimum may exceed every
// weight.
::testing::AssertionResult within_rounding(const Tensor& actual, const Tensor& expected, const TensorView& x,
                                           const std::vector<TensorView>& weights) {
  const std::int64_t k = x.dim(1);
  std::vector<float> a(static_cast<std::size_t>(k)), w(a.size());
  for (std::int64_t t = 0; t < x.dim(0); ++t) {
    decode_activation(x, t, a);
    double a_sum = 0;
    for (float v : a) a_sum += std::abs(v);
    std::int64_t column = 0;
    for (const TensorView& weight : weights) {
      for (std::int64_t n = 0; n < weight.dim(0); ++n, ++column) {
        decode_row(weight.dtype, weight.data + row_bytes(weight.dtype, weight.strides[0]) * n, w);
        float w_max = 0;
        for (float v : w) w_max = std::max(w_max, std::abs(v));
        const double terms = static_cast<double>(x.dtype == DType::a8 || x.dtype == DType::a8x2 ? k / 16 : k);
        const double bound = (terms + 8) * 0x1p-24 * 4 * a_sum * w_max + 1e-30;
        const float got = actual.view().row<float>(t)[column], want = expected.view().row<float>(t)[column];
        if (!(std::abs(got - want) <= bound))
          return ::testing::AssertionFailure()
                 << "row " << t << " output " << column << ": " << got << ", expected " << want << " within " << bound;
      }
    }
  }
  return ::testing::AssertionSuccess();
}

class MatMul : public EveryIsa {};

TEST_P(MatMul, AgreesWithTheFormulaForEveryFormatAndShape) {
  for (DType dtype : kWeightTypes) {
    for (int round = 0; round < 24; ++round) {
      const std::int64_t most_k = GetParam() == Isa::portable ? 600 : 1400;
      const std::int64_t t = round < 8 ? round : static_cast<std::int64_t>(random() % 40);
      const std::int64_t n = 1 + static_cast<std::int64_t>(random() % 150), k = random_columns(random, dtype, most_k);
      Padded x = random_padded(random, {t, k}, std::exp2(static_cast<float>(random() % 20) - 10));
      Tensor weight = random_weight(random, dtype, n, k);
      PackedWeight packed(weight.view());
      Tensor a = activations_for(x, dtype, GetParam(), round % 3 == 2);
      const std::vector<TensorView> inputs = {a.view(), packed.view()};
      Tensor expected = std::move(run_reference(kMatMul, inputs)[0]);
      Tensor actual = std::move(run_fast(kMatMul, inputs, {}, GetParam(), 1 + static_cast<int>(random() % 4))[0]);
      ASSERT_TRUE(within_rounding(actual, expected, a.view(), {weight.view()}))
          << name(dtype) << " [" << t << ", " << n << ", " << k << "]";
    }
  }
}

// Rows of a stored weight as they would come from several tensors.
class RowsOf final : public RowSource {
 public:
  explicit RowsOf(const TensorView& rows) : rows_(rows) {}
  void read(std::int64_t begin, std::int64_t count, std::byte* out) const noexcept override {
    const std::int64_t bytes = row_bytes(rows_.dtype, rows_.dim(1));
    std::memcpy(out, rows_.data + begin * bytes, static_cast<std::size_t>(count * bytes));
  }

 private:
  TensorView rows_;
};

TEST_P(MatMul, TakesWeightsWhoseRowsAreMade) {
  for (DType dtype : {DType::i4_f16_g32, DType::f8_channel, DType::q8_0}) {
    Tensor x = random_weight(random, DType::f32, 3, 64), weight = random_weight(random, dtype, 37, 64);
    const RowsOf rows(weight.view());
    TensorView made = weight.view();
    made.data = nullptr;
    made.source = &rows;
    EXPECT_TRUE(
        same_bits(run_reference(kMatMul, {x.view(), made})[0], run_reference(kMatMul, {x.view(), weight.view()})[0]));
    PackedWeight a(made), b(weight.view());
    EXPECT_EQ(a.view().source, nullptr);
    EXPECT_EQ(std::memcmp(a.view().data, b.view().data, static_cast<std::size_t>(packed_bytes(made))), 0)
        << name(dtype);
  }
}

TEST_P(MatMul, OfStoredAndOfPackedWeightsHasTheSameReference) {
  for (DType dtype : kWeightTypes) {
    const std::int64_t k = random_columns(random, dtype, 100);
    Padded x = random_padded(random, {3, k});
    Tensor weight = random_weight(random, dtype, 20, k), copy(DType::f32, {3, k});
    for (std::int64_t t = 0; t < 3; ++t)
      std::memcpy(copy.view().row<float>(t), x.view().row<float>(t), static_cast<std::size_t>(k) * 4);
    PackedWeight packed(weight.view());
    std::vector<Tensor> a = make_outputs(kMatMul, {copy.view(), weight.view()}, {}),
                        b = make_outputs(kMatMul, {copy.view(), weight.view()}, {});
    matmul_ref(std::vector<TensorView>{x.view(), weight.view()}, views_of(a), {});
    matmul_ref(std::vector<TensorView>{x.view(), packed.view()}, views_of(b), {});
    EXPECT_TRUE(same_bits(a[0], b[0])) << name(dtype);
  }
}

TEST_P(MatMul, OfSeveralWeightsLaysTheirOutputsSideBySideAndAddsBiasAndResidual) {
  const Attributes both = {{"bias", std::int64_t{1}}, {"residual", std::int64_t{1}}};
  for (std::int64_t t : {1, 3, 4, 5, 9, 33}) {
    Padded x = random_padded(random, {t, 512});
    Tensor a = activations_for(x, DType::q4_k, GetParam(), t % 2 == 0);
    std::vector<Tensor> stored;
    std::vector<PackedWeight> packed;
    for (auto [dtype, n] : {std::pair{DType::q4_k, 48}, {DType::q6_k, 21}, {DType::q8_0, 5}, {DType::q4_1, 90}}) {
      stored.push_back(random_weight(random, dtype, n, 512));
      packed.emplace_back(stored.back().view());
    }
    Tensor bias = random_weight(random, DType::f32, 1, 164);
    Padded residual = random_padded(random, {t, 164});
    std::vector<TensorView> inputs = {a.view()};
    for (const PackedWeight& weight : packed) inputs.push_back(weight.view());
    inputs.push_back(make_view(bias.view().data, DType::f32, {164}));
    inputs.push_back(residual.view());
    Tensor expected = std::move(run_reference(kMatMul, inputs, both)[0]);
    for (int workers : {1, 2, 5}) {
      Tensor actual = std::move(run_fast(kMatMul, inputs, both, GetParam(), workers)[0]);
      ASSERT_TRUE(near(actual, expected, 1e-5, 2e-3)) << t << " rows, " << workers << " workers";
      // Exactly the products alone, plus bias, plus residual.
      Tensor alone = std::move(run_fast(kMatMul, {inputs.begin(), inputs.end() - 2}, {}, GetParam(), 1)[0]);
      for (std::int64_t r = 0; r < t; ++r)
        for (std::int64_t n = 0; n < 164; ++n)
          ASSERT_EQ(actual.view().row<float>(r)[n],
                    alone.view().row<float>(r)[n] + bias.view().as<float>()[n] + residual.view().row<float>(r)[n]);
    }
  }
}

TEST_P(MatMul, NansAndInfinitiesReachTheOutputsOfTheirRowOnly) {
  for (DType dtype : kWeightTypes) {
    for (std::int64_t t : {3, 9}) {
      const std::int64_t k = std::max<std::int64_t>(64, info(dtype).block_elements);
      for (float special : {INFINITY, std::nanf("")}) {
        Padded x = random_padded(random, {t, k});
        x.view().row<float>(1)[17] = special;
        Tensor weight = random_weight(random, dtype, 20, k);
        PackedWeight packed(weight.view());
        Tensor a = activations_for(x, dtype, GetParam());
        Tensor actual = std::move(run_fast(kMatMul, {a.view(), packed.view()}, {}, GetParam())[0]);
        for (std::int64_t r = 0; r < t; ++r)
          for (std::int64_t n = 0; n < 20; ++n)
            ASSERT_EQ(std::isfinite(actual.view().row<float>(r)[n]), r != 1)
                << name(dtype) << " row " << r << " output " << n;
      }
    }
  }
}

TEST_P(MatMul, TakesZerosDenormalsAndTheSmallestShapes) {
  for (DType dtype : kWeightTypes) {
    const std::int64_t k = info(dtype).block_elements;
    for (float value : {0.0f, -0.0f, 1e-40f, 1e-20f}) {
      Padded x({2, k}, 0);
      x.each([&](float& v) { v = value; });
      Tensor weight = random_weight(random, dtype, 1, k);
      PackedWeight packed(weight.view());
      Tensor a = activations_for(x, dtype, GetParam());
      const std::vector<TensorView> inputs = {a.view(), packed.view()};
      ASSERT_TRUE(near(run_fast(kMatMul, inputs, {}, GetParam())[0], run_reference(kMatMul, inputs)[0], 1e-4, 1e-24))
          << name(dtype);
    }
  }
}

TEST_P(MatMul, ReadsRowsOfActivationsThatLieApart) {
  for (std::int64_t t : {2, 7}) {
    Padded x = random_padded(random, {t, 100});
    Tensor weight = random_weight(random, DType::f32, 33, 100);
    PackedWeight packed(weight.view());
    const std::vector<TensorView> inputs = {x.view(), packed.view()};
    ASSERT_TRUE(near(run_fast(kMatMul, inputs, {}, GetParam())[0], run_reference(kMatMul, inputs)[0], 1e-5, 1e-4));
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, MatMul, ::testing::ValuesIn(supported_isas()), isa_name);

class MatMulSchema : public ::testing::Test {
 protected:
  static std::vector<ValueType> infer(std::vector<ValueType> types, const Attributes& attributes = {}) {
    return kMatMul.infer({types, attributes});
  }
  const ValueType x{DType::f32, {Dim::of_symbol(0), 64}}, a8{DType::a8, {Dim::of_symbol(0), 64}};
};

TEST_F(MatMulSchema, ConcatenatesTheOutputsOfItsWeights) {
  const std::vector<ValueType> out = infer({x, {DType::f32, {10, 64}}, {DType::q8_0, {22, 64}}});
  EXPECT_EQ(out[0].dtype, DType::f32);
  EXPECT_EQ(out[0].shape, (SymShape{Dim::of_symbol(0), 32}));
}

TEST_F(MatMulSchema, RefusesShapesTypesAndOptionsThatDoNotFit) {
  const ValueType packed{DType::q8_0, {22, 64}, Layout::panel16};
  EXPECT_EQ(infer({a8, packed})[0].shape.back(), Dim(22));
  EXPECT_THROW(infer({x, packed}), Error);
  EXPECT_THROW(infer({a8, {DType::q8_0, {22, 64}}}), Error);
  EXPECT_THROW(infer({x}), Error);
  EXPECT_THROW(infer({x, {DType::f32, {10, 65}}}), Error);
  EXPECT_THROW(infer({x, {DType::i32, {10, 64}}}), Error);
  EXPECT_THROW(infer({x, {DType::f32, {10}}}), Error);
  EXPECT_THROW(infer({x, {DType::f32, {Dim::of_symbol(1), 64}}}), Error);
  EXPECT_THROW(infer({{DType::f32, {3, 48}}, {DType::q8_0, {10, 48}}}), Error);
  const Attributes residual = {{"residual", std::int64_t{1}}}, bias = {{"bias", std::int64_t{1}}};
  EXPECT_EQ(infer({x, {DType::f32, {10, 64}}, {DType::f32, {Dim::of_symbol(0), 10}}}, residual)[0].shape.back(),
            Dim(10));
  EXPECT_THROW(infer({x, {DType::f32, {10, 64}}}, residual), Error);
  EXPECT_THROW(infer({x, {DType::f32, {10, 64}}, {DType::f32, {Dim::of_symbol(0), 11}}}, residual), Error);
  EXPECT_THROW(infer({x, {DType::f32, {10, 64}}, {DType::f32, {11}}}, bias), Error);
}

TEST_F(MatMulSchema, HasNoKernelForWeightsThatAreNotPacked) {
  const std::vector<ValueType> types = {x, {DType::f32, {10, 64}}};
  const std::vector<ValueType> out = infer(types);
  EXPECT_THROW(kMatMul.prepare({types, out, {}, Isa::portable}), Error);
}

}  // namespace
}  // namespace cairn
