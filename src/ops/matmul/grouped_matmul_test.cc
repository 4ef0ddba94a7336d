#include "ops/matmul/grouped_matmul.h"

#include <numeric>

#include "base/error.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/packed_weight.h"
#include "ops/matmul/test_weights.h"
#include "ops/registry/testing.h"

namespace cairn {
namespace {

using namespace testing;

// Random experts with `each` weights of the same shapes, x as their kernels read it, and tokens given to experts.
struct Routed {
  Routed(std::mt19937& random, DType dtype, Isa isa, std::vector<std::int32_t> counts,
         std::vector<std::int64_t> outputs, std::int64_t k, bool precise = false)
      : experts(static_cast<std::int64_t>(counts.size())),
        offsets(DType::i32, {experts + 1}),
        x(DType::f32, {std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), k}) {
    for (std::size_t e = 0; e < counts.size(); ++e)
      offsets.as<std::int32_t>()[e + 1] = offsets.as<std::int32_t>()[e] + counts[e];
    std::normal_distribution<float> normal(0, 1);
    for (std::int64_t i = 0; i < x.view().shape.elements(); ++i) x.as<float>()[i] = normal(random);
    const DType wanted = activation_dtype(dtype, isa, precise);
    if (wanted != DType::f32)
      x = std::move(run_fast(kQuantizeActivation, {x.view()}, {{"dtype", std::string(name(wanted))}}, isa)[0]);
    for (std::int64_t e = 0; e < experts; ++e)
      for (std::int64_t n : outputs) packed.emplace_back(random_weight(random, dtype, n, k).view());
    attributes.set("experts", experts);
  }
  std::vector<TensorView> inputs() const {
    std::vector<TensorView> views = {x.view(), offsets.view()};
    for (const PackedWeight& weight : packed) views.push_back(weight.view());
    return views;
  }
  Range tokens(std::int64_t e) const { return tokens_of_expert(offsets.view(), x.view().dim(0), e); }

  std::int64_t experts;
  Tensor offsets, x;
  std::vector<PackedWeight> packed;
  Attributes attributes;
};

std::vector<std::int32_t> random_counts(std::mt19937& random, std::size_t experts) {
  std::vector<std::int32_t> counts(experts);
  for (std::int32_t& count : counts)
    count = random() % 3 == 0 ? 0 : static_cast<std::int32_t>(random() % (random() % 4 == 0 ? 40 : 6));
  return counts;
}

class GroupedMatMul : public EveryIsa {};

TEST_P(GroupedMatMul, AgreesWithTheFormulaForEveryFormat) {
  for (DType dtype : kWeightTypes) {
    const std::int64_t k = random_columns(random, dtype, 300);
    const Routed routed(random, dtype, GetParam(), random_counts(random, 1 + random() % 9), {20, 37}, k);
    const Tensor expected = std::move(run_reference(kGroupedMatMul, routed.inputs(), routed.attributes)[0]);
    const Tensor actual = std::move(run_fast(kGroupedMatMul, routed.inputs(), routed.attributes, GetParam(), 3)[0]);
    ASSERT_TRUE(near(actual, expected, 1e-4, 2e-3)) << name(dtype);
  }
}

TEST_P(GroupedMatMul, HasTheBitsOfMatMulWithItsExpertForEveryWorkerCount) {
  for (DType dtype : {DType::bf16, DType::q8_0, DType::q4_k, DType::u4_f16_g128, DType::f8_g128}) {
    for (int round = 0; round < 4; ++round) {
      const Routed routed(random, dtype, GetParam(), random_counts(random, 7), {33, 70}, 256, round == 1);
      for (int workers : {1, 2, 5}) {
        const Tensor all =
            std::move(run_fast(kGroupedMatMul, routed.inputs(), routed.attributes, GetParam(), workers)[0]);
        for (std::int64_t e = 0; e < routed.experts; ++e) {
          const Range tokens = routed.tokens(e);
          if (tokens.begin == tokens.end) continue;
          TensorView x = routed.x.view();
          x.data += row_bytes(x.dtype, x.dim(1)) * tokens.begin;
          x.shape[0] = tokens.end - tokens.begin;
          const auto first = static_cast<std::size_t>(2 * e);
          const Tensor alone = std::move(
              run_fast(kMatMul, {x, routed.packed[first].view(), routed.packed[first + 1].view()}, {}, GetParam())[0]);
          ASSERT_EQ(std::memcmp(alone.as<float>(), all.view().row<float>(tokens.begin),
                                static_cast<std::size_t>(byte_size(DType::f32, alone.view().shape))),
                    0)
              << name(dtype) << " expert " << e << ", " << workers << " workers";
        }
      }
    }
  }
}

TEST_P(GroupedMatMul, TakesNoTokensAndOneExpertForAll) {
  for (const std::vector<std::int32_t>& counts : {std::vector{0, 0, 0}, std::vector{0, 50, 0}, std::vector{1}}) {
    const Routed routed(random, DType::q4_0, GetParam(), counts, {16}, 64);
    const Tensor expected = std::move(run_reference(kGroupedMatMul, routed.inputs(), routed.attributes)[0]);
    for (int workers : {1, 4})
      ASSERT_TRUE(near(run_fast(kGroupedMatMul, routed.inputs(), routed.attributes, GetParam(), workers)[0], expected,
                       1e-4, 2e-3));
  }
}

TEST_P(GroupedMatMul, OffsetsBeyondTheTokensEndThere) {
  Routed routed(random, DType::q8_0, GetParam(), {3, 4}, {16}, 64);
  const Tensor right = std::move(run_fast(kGroupedMatMul, routed.inputs(), routed.attributes, GetParam())[0]);
  routed.offsets.as<std::int32_t>()[0] = -5;
  routed.offsets.as<std::int32_t>()[2] = 1 << 30;
  EXPECT_TRUE(same_bits(run_fast(kGroupedMatMul, routed.inputs(), routed.attributes, GetParam(), 2)[0], right));
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, GroupedMatMul, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(GroupedMatMulSchema, RefusesWhatDoesNotFit) {
  const Dim tokens = Dim::of_symbol(0);
  const ValueType x{DType::f32, {tokens, 64}}, offsets{DType::i32, {3}}, w{DType::f32, {10, 64}},
      v{DType::f32, {6, 64}};
  auto infer = [](std::vector<ValueType> types, std::int64_t experts) {
    const Attributes attributes = {{"experts", experts}};
    return kGroupedMatMul.infer({types, attributes});
  };
  EXPECT_EQ(infer({x, offsets, w, v, w, v}, 2)[0].shape, (SymShape{tokens, 16}));
  EXPECT_THROW(infer({x, offsets, w, v, w}, 2), Error);
  EXPECT_THROW(infer({x, offsets, w, v, v, w}, 2), Error);
  EXPECT_THROW(infer({x, offsets, w, w, w}, 3), Error);
  EXPECT_THROW(infer({x, offsets, w, w}, 0), Error);
  EXPECT_THROW(infer({x, {DType::f32, {3}}, w, w}, 2), Error);
  EXPECT_THROW(infer({x, offsets, w, {DType::f32, {10, 65}}}, 2), Error);
  const std::vector<ValueType> strided = {x, offsets, w, w}, out = infer(strided, 2);
  const Attributes attributes = {{"experts", std::int64_t{2}}};
  EXPECT_THROW(kGroupedMatMul.prepare({strided, out, attributes, Isa::portable}), Error);
}

}  // namespace
}  // namespace cairn
