#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/error.h"
#include "tensor/float_formats.h"
#include "tensor/view.h"

namespace cairn {
namespace {

TEST(Half, RoundTripsEveryBitPattern) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    auto half = static_cast<std::uint16_t>(bits);
    float value = f16_to_f32(half);
    if (std::isnan(value)) EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value))));
    else EXPECT_EQ(f32_to_f16(value), half);
  }
}

#if defined(__aarch64__)
using CompilersHalf = __fp16;  // g++ 12 has _Float16 for x86 alone
#else
using CompilersHalf = _Float16;
#endif

TEST(Half, AgreesWithTheCompilersConversionOnRandomFloats) {
  std::mt19937 random(1);
  for (int i = 0; i < 200000; ++i) {
    auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isnan(value)) continue;
    EXPECT_EQ(f32_to_f16(value), std::bit_cast<std::uint16_t>(static_cast<CompilersHalf>(value))) << value;
  }
}

TEST(E4m3, ValuesAreTheStandardsAndExactInBf16) {
  EXPECT_EQ(e4m3_to_f32(0x00), 0.0f);
  EXPECT_EQ(e4m3_to_f32(0x01), 0x1p-9f);
  EXPECT_EQ(e4m3_to_f32(0x07), 7 * 0x1p-9f);
  EXPECT_EQ(e4m3_to_f32(0x08), 0x1p-6f);
  EXPECT_EQ(e4m3_to_f32(0x38), 1.0f);
  EXPECT_EQ(e4m3_to_f32(0x7E), 448.0f);
  EXPECT_EQ(e4m3_to_f32(0xFE), -448.0f);
  EXPECT_TRUE(std::isnan(e4m3_to_f32(0x7F)));
  for (int code = 0; code < 256; ++code) {
    const float value = e4m3_to_f32(static_cast<std::uint8_t>(code));
    if (std::isnan(value)) continue;
    EXPECT_EQ(f32_to_e4m3(value), code);
    EXPECT_EQ(bf16_to_f32(f32_to_bf16(value)), value);
  }
}

TEST(E4m3, RoundsToNearestEven) {
  for (int code = 0; code < 0x7E; ++code) {
    const float low = e4m3_to_f32(static_cast<std::uint8_t>(code)), high = e4m3_to_f32(static_cast<std::uint8_t>(code + 1));
    const float middle = (low + high) / 2;
    EXPECT_EQ(f32_to_e4m3(middle), code % 2 == 0 ? code : code + 1) << middle;
    EXPECT_EQ(f32_to_e4m3(std::nextafter(middle, 0.0f)), code);
    EXPECT_EQ(f32_to_e4m3(-std::nextafter(middle, 1000.0f)), (code + 1) | 0x80);
  }
  for (float beyond : {465.0f, 1e9f, HUGE_VALF, std::nanf("")}) EXPECT_EQ(f32_to_e4m3(beyond), 0x7F);
  EXPECT_EQ(f32_to_e4m3(464.0f), 0x7E);
}

TEST(BFloat16, RoundsToNearestEven) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F808000u)), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F818000u)), 0x3F82);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::infinity()), 0x7F80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::nanf("")))));
}

TEST(Formats, EncodingThenDecodingStaysWithinHalfAStep) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (auto [dtype, bound] : {std::pair{DType::q8_0, 1.0f / 254}, {DType::q4_0, 1.0f / 8}, {DType::q4_1, 1.0f / 15}, {DType::bf16, 1.0f / 256}}) {
    std::vector<float> values(256), decoded(256);
    for (float& v : values) v = normal(random);
    float largest = 0;
    for (float v : values) largest = std::max(largest, std::abs(v));
    std::vector<std::uint8_t> row(static_cast<std::size_t>(row_bytes(dtype, 256)));
    encode_row(dtype, values, row.data());
    decode_row(dtype, row.data(), decoded);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], decoded[i], largest * bound * 1.02f) << name(dtype);
  }
}

TEST(Shape, RefusesNegativeDimensionsAndTooManyOfThem) {
  EXPECT_THROW(Shape({2, -1}), Error);
  EXPECT_THROW(Shape({1, 1, 1, 1, 1, 1}), Error);
  EXPECT_EQ(Shape({2, 3}).elements(), 6);
  EXPECT_EQ(Shape().elements(), 1);
}

TEST(Tensor, IsAlignedZeroedAndContiguous) {
  Tensor tensor(DType::f32, {3, 5});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.view().data) % 64, 0u);
  EXPECT_TRUE(is_contiguous(tensor.view()));
  EXPECT_EQ(tensor.as<float>()[14], 0.0f);
  EXPECT_EQ(byte_size(DType::q4_1, {2, 64}), 80);
}

}  // namespace
}  // namespace cairn
