#include "base/error.h"
#include "ops/attention/test_cache.h"

namespace cairn {
namespace {

using namespace testing;
using Part = AttentionCase::Part;

// None, and windows within a group of the cache, within a step, of a step and longer.
constexpr std::array<std::int64_t, 10> kWindows = {0, 1, 2, 5, 16, 31, 100, 256, 300, 1000};

class PagedAttention : public EveryIsa {
 protected:
  template <typename N>
  N below(N n) {
    return static_cast<N>(random() % static_cast<std::uint32_t>(n));
  }

  // Each of the cache's types in turn.
  DType next_dtype() { return kKvDTypes[static_cast<std::size_t>(++dtype_) % kKvDTypes.size()]; }

  // Rows [first, first + count) of `all` are the rows of `part`, to the bit.
  static ::testing::AssertionResult rows_equal(const Tensor& all, std::int64_t first, const Tensor& part) {
    const std::int64_t columns = all.view().dim(1), count = part.view().dim(0);
    const auto bytes = static_cast<std::size_t>(count * columns) * sizeof(float);
    if (std::memcmp(all.as<float>() + first * columns, part.as<float>(), bytes) == 0)
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "bits differ at rows from " << first;
  }

 private:
  int dtype_ = 0;
};

TEST_P(PagedAttention, AgreesWithTheFormulaOverShapesTypesAndBatches) {
  for (int round = 0; round < 80; ++round) {
    const std::int64_t kv_heads = 1 + below(3), group = std::array{1, 2, 3, 4, 7}[below(5)];
    const CacheShape shape = {kv_heads * group, kv_heads, 16 * (1 + below(9)), 16 * (1 + below(3)),
                              kKvDTypes[below(kKvDTypes.size())]};
    std::vector<SequenceShape> sequences;
    for (std::int64_t s = below(4); s >= 0; --s) {
      const std::int64_t length = 1 + below(round % 5 == 0 ? 700 : 90);
      sequences.push_back({below(2) ? 1 : 1 + below(std::min<std::int64_t>(length, 60)), length});
    }
    const float scale = round % 7 == 0 ? 4.0f : 1.0f;  // scores reach about 4 * scale^2
    const bool rounded = round % 2 == 1;
    AttentionCase c(random, shape, sequences, scale, rounded ? "bf16" : "f32");
    if (round % 3) c.limit(kWindows[below(kWindows.size())], round % 3 == 1 ? 0.0 : 0.5 + 30.0 * round);
    Tensor expected = c.run(c.whole(), false), actual = c.run(c.whole(), true, GetParam(), 1 + round % 3);
    ASSERT_TRUE(near(actual, expected, 0, (rounded ? 1.5e-2 : 2e-5) * scale * scale))
        << "round " << round << " head_dim " << shape.head_dim << " group " << group;
  }
}

TEST_P(PagedAttention, BitsDoNotDependOnWorkers) {
  for (std::int64_t window : {0, 100, 600, 2000, 1000, 0, 0}) {
    const char* products = window % 3 ? "f32" : "bf16";
    AttentionCase c(random, {6, 2, 64, 16, next_dtype()}, {{1, 3000}, {1, 17}, {40, 300}, {1, 700}, {300, 1500}}, 1,
                    products);
    c.limit(window, window % 200 ? 5 : 0);
    Tensor alone = c.run(c.whole(), true, GetParam(), 1);
    for (int workers : {2, 3, 5, 8, 64})
      ASSERT_TRUE(same_bits(c.run(c.whole(), true, GetParam(), workers), alone)) << workers;
  }
}

TEST_P(PagedAttention, BitsDoNotDependOnTheRestOfTheBatch) {
  for (int workers : {1, 4, 1, 4, 1}) {
    AttentionCase c(random, {8, 2, 80, 32, next_dtype()}, {{1, 900}, {33, 600}, {5, 5}, {1, 1}, {64, 64}}, 1, "bf16");
    c.limit(workers == 1 ? 0 : 300, 0);
    Tensor all = c.run(c.whole(), true, GetParam(), workers);
    for (std::size_t s = 0; s < 5; ++s)
      ASSERT_TRUE(rows_equal(all, c.first_token(s), c.run({{s, 0, c.sequence(s).query}}, true, GetParam(), 3))) << s;
  }
}

TEST_P(PagedAttention, BitsDoNotDependOnHowAPrefillIsCut) {
  for (std::int64_t q_heads : {3, 4, 5, 1, 2, 8}) {
    AttentionCase c(random, {q_heads, 1, 48, 16, next_dtype()}, {{530, 530}}, 1, q_heads == 3 ? "f32" : "bf16");
    if (q_heads > 3) c.limit(q_heads == 4 ? 21 : 270, 3);
    Tensor whole = c.run(c.whole(), true, GetParam(), 2);
    for (std::int64_t chunk : {1, 7, 16, 100, 256}) {
      for (std::int64_t from = 0; from < 530; from += chunk) {
        if (chunk == 1 && from % 37) continue;
        ASSERT_TRUE(
            rows_equal(whole, from, c.run({{0, from, std::min<std::int64_t>(from + chunk, 530)}}, true, GetParam(), 2)))
            << chunk;
      }
    }
  }
}

TEST_P(PagedAttention, NeverMixesInWhatATokenDoesNotSee) {
  // Later tokens of the same block hold nan and infinity; earlier tokens' results must not change.
  for (const char* products : {"f32", "bf16", "f32", "bf16", "bf16"}) {
    const DType dtype = next_dtype();
    for (std::int64_t length : {20, 21}) {
      AttentionCase c(random, {2, 1, 32, 16, dtype}, {{length, length}}, 1, products);
      Tensor before = c.run({{0, 0, length - 1}}, true, GetParam());
      c.overwrite(0, length - 1, NAN);
      Tensor whole = c.run(c.whole(), true, GetParam());
      ASSERT_TRUE(rows_equal(whole, 0, before));
    }
  }
}

TEST_P(PagedAttention, NeverReadsWhatLiesBeforeTheWindow) {
  for (std::int64_t window : {7, 8, 100, 300, 55}) {
    AttentionCase c(random, {4, 2, 32, 16, next_dtype()}, {{40, 1000}, {1, 999}}, 1, window % 2 ? "f32" : "bf16");
    c.limit(window, 0);
    Tensor before = c.run(c.whole(), true, GetParam(), 3);
    for (std::int64_t s : {0, 1}) {
      const std::int64_t unseen = (s == 0 ? 961 : 999) - window;
      for (std::int64_t position = 0; position < unseen; ++position) c.overwrite(s, position, NAN);
      for (std::int64_t block = 0; block < unseen / 16; ++block) c.forget_block(s, block);
    }
    ASSERT_TRUE(same_bits(c.run(c.whole(), true, GetParam(), 3), before)) << window;
  }
}

TEST_P(PagedAttention, AWindowOfAllPositionsIsNone) {
  AttentionCase c(random, {4, 2, 32, 16, DType::bf16}, {{40, 700}, {1, 300}});
  Tensor full = c.run(c.whole(), true, GetParam(), 3);
  c.limit(700, 0);
  ASSERT_TRUE(same_bits(c.run(c.whole(), true, GetParam(), 3), full));
}

TEST_P(PagedAttention, TokensThatSeeNothingGiveZero) {
  AttentionCase c(random, {2, 1, 32, 16, DType::bf16}, {{3, 3}});
  Tensor tables(DType::i32, {1, 1}), starts(DType::i32, {2}), lengths(DType::i32, {1});
  starts.as<std::int32_t>()[1] = 3;
  lengths.as<std::int32_t>()[0] = 1;  // fewer tokens in the cache than queries: the first two see nothing
  const std::vector<TensorView> inputs = {c.q().view(),  c.k().view(),  c.v().view(),
                                          tables.view(), starts.view(), lengths.view()};
  Tensor out = std::move(run_fast(kPagedAttention, inputs, c.attributes(), GetParam(), 2)[0]);
  for (int i = 0; i < 2 * 64; ++i) EXPECT_EQ(out.as<float>()[i], 0.0f);
}

TEST_P(PagedAttention, EmptyBatchesAreFine) {
  AttentionCase c(random, {2, 1, 32, 16, DType::bf16}, {});
  EXPECT_EQ(c.run({}, true, GetParam(), 2).view().dim(0), 0);
}

TEST_P(PagedAttention, InfiniteAndNanQueriesStayInTheirRows) {
  AttentionCase c(random, {2, 2, 16, 16, DType::f32}, {{6, 40}});
  Tensor clean = c.run(c.whole(), true, GetParam());
  c.q().view().row<float>(2)[0] = NAN;
  c.q().view().row<float>(4)[17] = INFINITY;
  Tensor out = c.run(c.whole(), true, GetParam());
  EXPECT_TRUE(std::isnan(out.view().row<float>(2)[5]));
  EXPECT_TRUE(std::isnan(out.view().row<float>(4)[16 + 5]));
  for (std::int64_t row : {0, 1, 3, 5})
    EXPECT_EQ(std::memcmp(out.view().row<float>(row), clean.view().row<float>(row), 32 * 4), 0);
  EXPECT_EQ(std::memcmp(out.view().row<float>(2) + 16, clean.view().row<float>(2) + 16, 16 * 4), 0);
}

TEST_P(PagedAttention, HostileIndicesStayInsideTheCache) {
  AttentionCase c(random, {2, 1, 32, 16, DType::bf16}, {{4, 40}});
  Tensor tables(DType::i32, {1, 3}), starts(DType::i32, {2}), lengths(DType::i32, {1});
  const std::int32_t blocks[3] = {-5, 1 << 30, 2};
  std::copy_n(blocks, 3, tables.as<std::int32_t>());
  starts.as<std::int32_t>()[1] = 1000;
  lengths.as<std::int32_t>()[0] = INT32_MAX;
  const std::vector<TensorView> inputs = {c.q().view(),  c.k().view(),  c.v().view(),
                                          tables.view(), starts.view(), lengths.view()};
  EXPECT_EQ(run_fast(kPagedAttention, inputs, c.attributes(), GetParam(), 2)[0].view().dim(0), 4);
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, PagedAttention, ::testing::ValuesIn(supported_isas()), isa_name);

TEST(PagedAttentionSchema, RefusesHeadsThatDoNotDivideAndUnknownAttributes) {
  auto infer = [](std::int64_t q_heads, Attributes attributes) {
    const Dim tokens = Dim::of_symbol(0), seqs = Dim::of_symbol(1);
    const ValueType cache = {DType::bf16, {9, 2, 16, 64}};
    const std::vector<ValueType> types = {{DType::f32, {tokens, q_heads, 64}},
                                          cache,
                                          cache,
                                          {DType::i32, {seqs, Dim::of_symbol(2)}},
                                          {DType::i32, {Dim::of_symbol(3)}},
                                          {DType::i32, {seqs}}};
    return kPagedAttention.infer({types, attributes});
  };
  EXPECT_EQ(infer(6, {{"scale", 0.125}})[0].shape[1], Dim(384));
  EXPECT_THROW(infer(3, {{"scale", 0.125}}), Error);
  EXPECT_EQ(infer(6, {{"scale", 0.125}, {"sliding_window", std::int64_t{4096}}}).size(), 1u);
  EXPECT_THROW(infer(6, {{"scale", 0.125}, {"sliding_window", std::int64_t{-1}}}), Error);
  EXPECT_THROW(infer(6, {{"scale", 0.125}, {"attn_logit_softcapping", -50.0}}), Error);
  EXPECT_THROW(infer(6, {{"scale", 0.125}, {"alibi_slopes", 1.0}}), Error);
}

}  // namespace
}  // namespace cairn
