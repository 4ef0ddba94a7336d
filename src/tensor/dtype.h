// Element types, plain and block-quantized.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn {

/// Element types of tensors. Block-quantized types (q*) store `block_elements` elements in `block_bytes` bytes, in the
/// layouts of GGUF (ggml-common.h); a tensor of such a type has a last dimension that is a multiple of block_elements.
enum class DType : std::uint8_t {
  f32, f16, bf16, f8_e4m3,
  i8, u8, i32, i64,
  q8_0, q4_0, q4_1, q4_k, q5_k, q6_k,
  // Activations quantized for the int8 kernels: a row of K elements is K int8, then K/32 f32 scales, then K/32 f32
  // values scale * sum of the block's int8 (for weights with a minimum), then K/16 i32 values -sum of 16 int8 (for weights
  // stored with an offset).
  a8,
  // The same to 16 bits: a row is the a8 row of the values, then the a8 row of what that leaves over.
  a8x2,
  // Weights that Hugging Face's formats store as several tensors, as rows (RowSource): coded types, see Codes. channel:
  // a scale an output; gN: a scale a group of N elements.
  i8_channel, f8_channel, f8_g128,
  i4_f16_g32, i4_f16_g64, i4_f16_g128, i4_bf16_g32, i4_bf16_g64, i4_bf16_g128,
  u4_f16_g32, u4_f16_g64, u4_f16_g128, u4_bf16_g32, u4_bf16_g64, u4_bf16_g128,
};

/// The codes of a coded type. A block is [scale] [zero point, u8] codes, a value is scale * (code - zero point); types
/// with a scale a row have it, f32, behind the blocks (row_tail). Nibbles lie as in q4_0: 16 bytes hold 32 elements,
/// the first 16 in the low halves.
enum class Codes : std::uint8_t {
  none,  // the type is not coded
  i8,
  i4,    // nibbles 0..15 of -8..7
  u4,    // nibbles 0..15 beside zero points 0..15
  e4m3,  // float: 4 bits of exponent, 3 of mantissa, no infinities
};

struct DTypeInfo {
  std::string_view name;  // as in `cairn inspect`: "bf16", "q4_k"
  int block_elements;
  int block_bytes;
  Codes codes = Codes::none;
  DType scale = DType::f32;  // of a coded type: f32, f16 or bf16
  int row_tail = 0;          // bytes behind a row's blocks
};

/// The table entry of `dtype`; valid for every enumerator.
const DTypeInfo& info(DType dtype);
inline std::string_view name(DType dtype) { return info(dtype).name; }
inline bool is_quantized(DType dtype) { return info(dtype).block_elements > 1; }
inline bool is_coded(DType dtype) { return info(dtype).codes != Codes::none; }

/// Bytes of a row of `elements` elements; elements must be a multiple of the block size.
inline std::int64_t row_bytes(DType dtype, std::int64_t elements) {
  const DTypeInfo& type = info(dtype);
  return elements / type.block_elements * type.block_bytes + type.row_tail;
}

}  // namespace cairn
