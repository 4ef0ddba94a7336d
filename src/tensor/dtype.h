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
};

struct DTypeInfo {
  std::string_view name;  // as in `cairn inspect`: "bf16", "q4_k"
  int block_elements;
  int block_bytes;
};

/// The table entry of `dtype`; valid for every enumerator.
const DTypeInfo& info(DType dtype);
inline std::string_view name(DType dtype) { return info(dtype).name; }
inline bool is_quantized(DType dtype) { return info(dtype).block_elements > 1; }

/// Bytes of a row of `elements` elements; elements must be a multiple of the block size.
inline std::int64_t row_bytes(DType dtype, std::int64_t elements) {
  return elements / info(dtype).block_elements * info(dtype).block_bytes;
}

}  // namespace cairn
