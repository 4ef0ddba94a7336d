#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/error.h"
#include "model/checkpoint/safetensors.h"

namespace cairn {
namespace {

std::string file(const std::string& header, std::size_t data_bytes) {
  std::string bytes(8, '\0');
  std::uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  bytes += header;
  for (std::size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}
std::vector<SafetensorsEntry> parse(const std::string& bytes) {
  return parse_safetensors({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}
void expect_refused(const std::string& header, std::size_t data_bytes, const std::string& part) {
  try {
    parse(file(header, data_bytes));
    ADD_FAILURE() << "accepted: " << header;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

const std::string kGood = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                          R"("b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}})";

TEST(Safetensors, GivesViewsIntoTheBytes) {
  std::string bytes = file(kGood, 32);
  auto entries = parse(bytes);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].view.shape, Shape({2, 3}));
  EXPECT_EQ(entries[1].view.dtype, DType::bf16);
  EXPECT_EQ(reinterpret_cast<const char*>(entries[1].view.data), bytes.data() + 8 + kGood.size() + 24);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  std::string bytes = file(kGood, 32);
  for (std::size_t length = 0; length < bytes.size(); ++length) EXPECT_THROW(parse(bytes.substr(0, length)), Error) << length;
}

TEST(Safetensors, NoFlippedBitCrashes) {
  const std::string bytes = file(kGood, 32);
  int refused = 0;
  for (std::size_t bit = 0; bit < (8 + kGood.size()) * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      parse(damaged);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(Safetensors, ErrorsNameTheTensorAndTheField) {
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 8, "'a'");
  expect_refused(R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", 8, "F99");
  expect_refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "shape");
  expect_refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})", 8, "too large");
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", 8, "truncated");
  expect_refused(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", 8, "overlap");
  expect_refused(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 8, "twice");
  expect_refused(std::string(100, '['), 0, "nested");
  expect_refused("[]", 0, "object");
}

TEST(Safetensors, AHugeHeaderLengthIsRefusedBeforeAnythingIsAllocated) {
  std::string bytes(16, '\xFF');
  EXPECT_THROW(parse(bytes), Error);
}

}  // namespace
}  // namespace cairn
