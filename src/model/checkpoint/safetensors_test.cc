#include "model/checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "model/checkpoint/test_files.h"

namespace cairn {
namespace {

using test::safetensors_file;

std::vector<SafetensorsEntry> parse(const std::string& bytes) {
  return parse_safetensors({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}
void expect_refused(const std::string& header, std::size_t data_bytes, const std::vector<std::string>& parts,
                    ErrorKind kind = ErrorKind::invalid_argument) {
  test::expect_error(kind, parts, [&] { parse(safetensors_file(header, data_bytes)); });
}

const std::string kGood = R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},)"
                          R"("a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})";

TEST(Safetensors, GivesViewsIntoTheBytes) {
  std::string bytes = safetensors_file(kGood, 32);
  auto entries = parse(bytes);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].view.shape, Shape({2, 3}));
  EXPECT_EQ(entries[1].view.dtype, DType::bf16);
  EXPECT_EQ(reinterpret_cast<const char*>(entries[1].view.data), bytes.data() + 8 + kGood.size() + 24);
}

TEST(Safetensors, ScalarsAndEmptyTensorsAreTensors) {
  auto entries = parse(safetensors_file(R"({"a":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                                        R"("b":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})",
                                        8));
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].view.shape.elements(), 0);
  EXPECT_EQ(entries[1].view.shape.rank(), 0);
}

TEST(Safetensors, EveryTruncationIsRefused) {
  std::string bytes = safetensors_file(kGood, 32);
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_THROW(parse(bytes.substr(0, length)), Error) << length;
}

TEST(Safetensors, NoFlippedBitCrashes) {
  const std::string bytes = safetensors_file(kGood, 32);
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
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 8, {"'a'", "data_offsets"});
  expect_refused(R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", 8, {"'a'", "F99"},
                 ErrorKind::unsupported);
  expect_refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, {"'a'", "shape"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, {"'a'", "shape"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1],"data_offsets":[0,4]}})", 4, {"'a'", "6 dimensions"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, {"'a'", "data_offsets"});
  expect_refused(R"({"a":[1]})", 8, {"'a'"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", 8, {"'a'", "truncated", "download"});
  expect_refused(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 8,
      {"'a'", "twice"});
}

TEST(Safetensors, SizesThatOverflowAreRefused) {
  expect_refused(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})", 8,
                 {"'a'", "too large"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,8]}})", 8,
                 {"too large"});
  expect_refused(R"({"a":{"dtype":"F32","shape":[0,1099511627776,1099511627776],"data_offsets":[0,0]}})", 0,
                 {"too large"});
}

TEST(Safetensors, TheDataIsCoveredWithoutOverlapsAndHoles) {
  const std::string a =
      R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":)";
  expect_refused(a + "[2,6]}}", 6, {"'b'", "overlap"});
  expect_refused(a + "[5,9]}}", 9, {"'b'", "hole"});
  expect_refused(a + "[4,8]}}", 9, {"belong to no tensor"});
  EXPECT_EQ(parse(safetensors_file(a + "[4,8]}}", 8)).size(), 2u);
}

TEST(Safetensors, HeadersThatAreNotTheFormatsAreRefused) {
  expect_refused(std::string(100, '['), 0, {"nested"});
  expect_refused("[]", 0, {"object"});
  expect_refused("{", 0, {"not JSON"});
  std::string huge(16, '\xFF');
  test::expect_error(ErrorKind::invalid_argument, {"at most"}, [&] { parse(huge); });
}

}  // namespace
}  // namespace cairn
