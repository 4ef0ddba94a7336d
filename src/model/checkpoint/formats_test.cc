// Decoding of every stored format against the gguf package's own (tests/reference/make_gguf_cases.py).
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "model/checkpoint/gguf.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

TEST(Formats, EveryStoredFormatDecodesToTheGgufPackagesBits) {
  const std::string folder = std::string(CAIRN_SOURCE_DIR) + "/tests/reference/data/gguf/";
  MappedFile bytes(folder + "formats.gguf"), expected(folder + "formats.f32");
  std::size_t at = 0;
  std::set<DType> seen;
  for (const GgufTensor& tensor : parse_gguf(bytes.bytes()).tensors) {
    seen.insert(tensor.view.dtype);
    std::vector<float> decoded(static_cast<std::size_t>(tensor.view.shape.back()));
    for (std::int64_t row = 0; row < tensor.view.rows(); ++row) {
      decode_row(tensor.view.dtype, tensor.view.data + row * row_bytes(tensor.view.dtype, tensor.view.shape.back()),
                 decoded);
      for (float value : decoded) {
        ASSERT_LE(at + 4, expected.bytes().size());
        std::uint32_t bits;
        std::memcpy(&bits, expected.bytes().data() + at, 4);
        at += 4;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(value), bits)
            << tensor.name << " row " << row << ": " << value << " against " << std::bit_cast<float>(bits);
      }
    }
  }
  EXPECT_EQ(at, expected.bytes().size());
  EXPECT_EQ(seen.size(), 9u);
}

}  // namespace
}  // namespace cairn
