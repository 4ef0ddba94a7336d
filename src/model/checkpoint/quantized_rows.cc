#include "model/checkpoint/quantized_rows.h"

#include <cstring>
#include <limits>

#include "tensor/float_formats.h"

namespace cairn {
namespace {

std::uint32_t word_at(const TensorView& stored, std::int64_t index) {
  std::uint32_t word;
  std::memcpy(&word, stored.data + 4 * index, 4);
  return word;
}

// The eight nibbles of a word as eight bytes.
std::uint64_t spread(std::uint32_t word) {
  std::uint64_t x = word;
  x = (x | x << 16) & 0x0000FFFF0000FFFFu;
  x = (x | x << 8) & 0x00FF00FF00FF00FFu;
  return (x | x << 4) & 0x0F0F0F0F0F0F0F0Fu;
}

}  // namespace

float ScaleGrid::at(std::int64_t n, std::int64_t k) const {
  float scale;
  const std::int64_t index = n / rows * across + k / columns;
  decode_row(stored.dtype, stored.data + row_bytes(stored.dtype, index), {&scale, 1});
  return scale;
}

EightBitRows::EightBitRows(DType dtype, const TensorView& codes, const ScaleGrid& scales)
    : QuantizedRows({codes, scales.stored}), dtype_(dtype), codes_(codes), scales_(scales) {}

void EightBitRows::read(std::int64_t begin, std::int64_t count, std::byte* out) const noexcept {
  const DTypeInfo& type = info(dtype_);
  const std::int64_t k = codes_.dim(1), group = type.row_tail > 0 ? k : type.block_elements;
  for (std::int64_t n = begin; n < begin + count; ++n) {
    for (std::int64_t first = 0; first < k; first += group) {
      float scale = scales_.at(n, first);
      std::byte* codes = type.row_tail > 0 ? out : out + sizeof scale;
      std::memcpy(codes, codes_.data + n * k + first, static_cast<std::size_t>(group));
      if (type.codes == Codes::e4m3) {
        bool any = false;
        for (std::int64_t i = 0; i < group; ++i) {
          const bool nan = (codes[i] & std::byte{0x7F}) == std::byte{0x7F};
          any |= nan;
          codes[i] = nan ? std::byte{0} : codes[i];
        }
        if (any) scale = std::numeric_limits<float>::quiet_NaN();
      }
      std::memcpy(type.row_tail > 0 ? out + group : out, &scale, sizeof scale);
      out += group + static_cast<std::int64_t>(sizeof scale);
    }
  }
}

int PackedNibbles::at(std::int64_t i, std::int64_t j) const {
  const std::int64_t index = along_rows ? i / 8 * row + j * column : i * row + j / 8 * column;
  return static_cast<int>(word_at(stored, index) >> (4 * place[(along_rows ? i : j) % 8])) & 15;
}

Int4Rows::Int4Rows(DType dtype, std::int64_t k, const Int4Parts& parts)
    : QuantizedRows(parts.zero_points.stored.data
                        ? std::vector{parts.codes.stored, parts.scales, parts.zero_points.stored}
                        : std::vector{parts.codes.stored, parts.scales}),
      dtype_(dtype),
      k_(k),
      parts_(parts) {}

// 32 codes from k on, as 16 bytes.
void Int4Rows::read_codes(std::int64_t n, std::int64_t k, std::uint8_t* out) const noexcept {
  const PackedNibbles& codes = parts_.codes;
  if (codes.along_rows) {
    const int shift = 4 * codes.place[n % 8];
    const std::byte* words = codes.stored.data + 4 * (n / 8 * codes.row + k * codes.column);
    auto code = [&](std::int64_t i) {
      std::uint32_t word;
      std::memcpy(&word, words + 4 * i * codes.column, 4);
      return (word >> shift) & 15;
    };
    for (std::int64_t i = 0; i < 16; ++i) out[i] = static_cast<std::uint8_t>(code(i) | (code(i + 16) << 4));
    return;
  }
  auto word = [&](std::int64_t i) { return spread(word_at(codes.stored, n * codes.row + (k / 8 + i) * codes.column)); };
  const std::uint64_t bytes[2] = {word(0) | word(2) << 4, word(1) | word(3) << 4};
  std::memcpy(out, bytes, sizeof bytes);
}

// A group of all rows before the next one: GPTQ and AWQ store the rows' words side by side.
void Int4Rows::read(std::int64_t begin, std::int64_t count, std::byte* out) const noexcept {
  const DTypeInfo& type = info(dtype_);
  const std::int64_t bytes = row_bytes(dtype_, k_);
  for (std::int64_t g = 0; g < k_ / type.block_elements; ++g) {
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t n = begin + i;
      auto* block = reinterpret_cast<std::uint8_t*>(out + i * bytes + g * type.block_bytes);
      std::memcpy(block, parts_.scales.data + 2 * (n * parts_.scale_row + g * parts_.scale_group), 2);
      block += 2;
      if (type.codes == Codes::u4)
        *block++ = static_cast<std::uint8_t>((parts_.zero_points.at(n, g) + parts_.zero_point_offset) & 15);
      for (std::int64_t k = 0; k < type.block_elements; k += 32, block += 16)
        read_codes(n, g * type.block_elements + k, block);
    }
  }
}

}  // namespace cairn
