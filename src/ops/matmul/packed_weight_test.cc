#include "ops/matmul/packed_weight.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "ops/matmul/test_weights.h"

namespace cairn {
namespace {

using namespace testing;

class PackedWeights : public ::testing::TestWithParam<DType> {
 protected:
  std::mt19937 random{11};
};

void expect_rows_come_back(const TensorView& source, const TensorView& packed) {
  const auto k = static_cast<std::size_t>(source.dim(1));
  std::vector<float> stored(k), unpacked(k);
  for (std::int64_t n = 0; n < source.dim(0); ++n) {
    decode_row(source.dtype, source.data + row_bytes(source.dtype, source.strides[0]) * n, stored);
    unpack_row(packed, n, unpacked);
    ASSERT_EQ(std::memcmp(stored.data(), unpacked.data(), k * sizeof(float)), 0) << name(source.dtype) << " row " << n;
  }
}

TEST_P(PackedWeights, GiveEveryStoredBitBack) {
  for (std::int64_t n : {1, 15, 16, 17, 40}) {
    const std::int64_t k = random_columns(random, GetParam(), 600);
    Tensor weight = random_weight(random, GetParam(), n, k);
    // Any bit pattern, infinite and nan scales too.
    if (n % 2 == 0)
      for (std::int64_t i = 0; i < byte_size(GetParam(), {n, k}); ++i)
        weight.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(random());
    expect_rows_come_back(weight.view(), PackedWeight(weight.view()).view());
  }
}

TEST_P(PackedWeights, ComeFromRowsAtAnyAddressAndStride) {
  const std::int64_t block = info(GetParam()).block_elements, k = 2 * block, n = 21;
  Tensor weight = random_weight(random, GetParam(), n, 3 * block);
  std::vector<std::uint8_t> moved(static_cast<std::size_t>(byte_size(GetParam(), weight.view().shape)) + 1);
  std::memcpy(moved.data() + 1, weight.view().data, moved.size() - 1);
  TensorView view = weight.view();
  view.data = reinterpret_cast<std::byte*>(moved.data() + 1);
  view.shape[1] = k;
  expect_rows_come_back(view, PackedWeight(view).view());
}

TEST_P(PackedWeights, MayBePackedInDisjointRanges) {
  const std::int64_t k = random_columns(random, GetParam(), 300), n = 100;
  Tensor weight = random_weight(random, GetParam(), n, k);
  PackedWeight whole(weight.view());
  Tensor parts(DType::u8, {packed_bytes(weight.view())});
  for (Range range : {Range{5, 7}, Range{0, 2}, Range{2, 5}}) pack_panels(weight.view(), parts.view().data, range);
  EXPECT_EQ(std::memcmp(parts.view().data, whole.view().data, static_cast<std::size_t>(packed_bytes(weight.view()))),
            0);
}

TEST_P(PackedWeights, TakeAtMostThreePercentMoreThanStored) {
  const std::int64_t n = 64, k = 1024;
  const auto stored = static_cast<double>(byte_size(GetParam(), {n, k}));
  EXPECT_LE(static_cast<double>(packed_bytes(GetParam(), n, k)), stored * 1.03);
  EXPECT_GE(static_cast<double>(packed_bytes(GetParam(), n, k)), stored);
}

INSTANTIATE_TEST_SUITE_P(EveryFormat, PackedWeights, ::testing::ValuesIn(kWeightTypes),
                         [](const auto& info) { return std::string(name(info.param)); });

TEST(PackedBytes, RefusesWhatIsNoWeight) {
  EXPECT_THROW(packed_bytes(DType::i32, 16, 32), Error);
  EXPECT_THROW(packed_bytes(DType::a8, 16, 32), Error);
  EXPECT_THROW(packed_bytes(DType::q4_k, 16, 128), Error);
  EXPECT_THROW(packed_bytes(DType::f32, -1, 32), Error);
  EXPECT_THROW(packed_bytes(DType::f32, std::int64_t{1} << 40, std::int64_t{1} << 30), Error);
  EXPECT_THROW(packed_bytes(DType::f32, std::int64_t{1} << 62, 1), Error);
  EXPECT_EQ(packed_bytes(DType::f32, 0, 32), 0);
}

}  // namespace
}  // namespace cairn
