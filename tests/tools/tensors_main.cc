// cairn_tensors MODEL
//
// For conformance scripts: one JSON line a tensor with its names, dtype, shape, and the CRC-32 (as zlib's) of its
// values decoded to f32 little-endian.
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "model/checkpoint/checkpoint.h"
#include "tensor/float_formats.h"

namespace {

class Crc32 {
 public:
  Crc32() {
    for (std::uint32_t i = 0; i < 256; ++i) {
      table_[i] = i;
      for (int bit = 0; bit < 8; ++bit) table_[i] = (table_[i] >> 1) ^ (table_[i] & 1 ? 0xEDB88320u : 0u);
    }
  }
  std::uint32_t of(std::uint32_t before, const void* data, std::size_t size) const {
    std::uint32_t crc = ~before;
    for (const auto *p = static_cast<const unsigned char*>(data), *end = p + size; p != end; ++p)
      crc = (crc >> 8) ^ table_[(crc ^ *p) & 0xFF];
    return ~crc;
  }

 private:
  std::array<std::uint32_t, 256> table_;
};

std::uint32_t decoded_crc(const Crc32& crc, const cairn::TensorView& view) {
  std::vector<float> row(static_cast<std::size_t>(view.shape.back()));
  std::uint32_t value = 0;
  for (std::int64_t i = 0; i < view.rows(); ++i) {
    cairn::decode_row(view.dtype, view.data + i * cairn::row_bytes(view.dtype, view.shape.back()), row);
    value = crc.of(value, row.data(), row.size() * sizeof(float));
  }
  return value;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) cairn::fail_invalid("usage: cairn_tensors MODEL");
  auto checkpoint = cairn::Checkpoint::open(argv[1]);
  Crc32 crc;
  for (const cairn::TensorEntry& tensor : checkpoint->tensors()) {
    nlohmann::json line = {{"name", tensor.name},
                           {"stored_name", tensor.stored_name},
                           {"dtype", cairn::name(tensor.view.dtype)},
                           {"shape", tensor.view.shape.dims()},
                           {"crc32", decoded_crc(crc, tensor.view)}};
    std::puts(line.dump().c_str());
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "cairn_tensors: %s\n", error.what());
  return 1;
}
