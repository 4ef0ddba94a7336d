// Conversions between f32 and the 16-bit formats, scalar; round to nearest even. And dequantization of stored rows.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include "tensor/dtype.h"

namespace cairn {

inline float bf16_to_f32(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

inline std::uint16_t f32_to_bf16(float value) {
  auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);  // quiet NaN
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

inline float f16_to_f32(std::uint16_t half) {
  std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  std::uint32_t rest = half & 0x7FFFu;
  if (rest >= 0x7C00u) return std::bit_cast<float>(sign | 0x7F800000u | ((rest & 0x3FFu) << 13));
  // Scaling by 2^112 maps the half's exponent (and its denormals) to the float's.
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(std::bit_cast<float>(rest << 13) * 0x1p112f));
}

std::uint16_t f32_to_f16(float value);

/// OCP 8-bit float e4m3: exponent bias 7, largest 448, nan in place of infinities. Every value is exact in bf16.
float e4m3_to_f32(std::uint8_t code);
/// Round to nearest even; beyond 448, and for nan, nan.
std::uint8_t f32_to_e4m3(float value);

/// Writes `out.size()` f32 values decoded from one stored row of `dtype` (f32, f16, bf16 or a GGUF block type);
/// out.size() is a multiple of the block. The reference decoder of every format; source: ggml-common.h layouts.
void decode_row(DType dtype, const void* row, std::span<float> out);

/// Encodes f32 values to `dtype` (f32, f16, bf16, q8_0, q4_0, q4_1), plain round to nearest; for tests and conversion.
void encode_row(DType dtype, std::span<const float> values, void* row);

}  // namespace cairn
