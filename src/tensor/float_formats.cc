#include "tensor/float_formats.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace cairn {
namespace {

std::uint16_t load16(const std::uint8_t* p) {
  std::uint16_t v;
  std::memcpy(&v, p, 2);
  return v;
}
float half_at(const std::uint8_t* p) { return f16_to_f32(load16(p)); }

// The 6-bit scales and minimums of q4_k and q5_k: twelve bytes hold eight of each.
void unpack_scales(const std::uint8_t* packed, int j, int& scale, int& minimum) {
  if (j < 4) {
    scale = packed[j] & 63;
    minimum = packed[j + 4] & 63;
  } else {
    scale = (packed[j + 4] & 15) | ((packed[j - 4] >> 6) << 4);
    minimum = (packed[j + 4] >> 4) | ((packed[j] >> 6) << 4);
  }
}

void decode_q8_0(const std::uint8_t* b, float* y) {
  float d = half_at(b);
  for (int j = 0; j < 32; ++j) y[j] = d * static_cast<std::int8_t>(b[2 + j]);
}
void decode_q4_0(const std::uint8_t* b, float* y) {
  float d = half_at(b);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>((b[2 + j] & 15) - 8);
    y[j + 16] = d * static_cast<float>((b[2 + j] >> 4) - 8);
  }
}
void decode_q4_1(const std::uint8_t* b, float* y) {
  float d = half_at(b), m = half_at(b + 2);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(b[4 + j] & 15) + m;
    y[j + 16] = d * static_cast<float>(b[4 + j] >> 4) + m;
  }
}
void decode_q45_k(const std::uint8_t* b, float* y, bool five) {
  float d = half_at(b), dmin = half_at(b + 2);
  const std::uint8_t* scales = b + 4;
  const std::uint8_t* high = b + 16;
  const std::uint8_t* quants = five ? b + 48 : b + 16;
  for (int j = 0; j < 8; ++j) {
    int scale, minimum;
    unpack_scales(scales, j, scale, minimum);
    for (int l = 0; l < 32; ++l) {
      std::uint8_t byte = quants[32 * (j / 2) + l];
      int q = j % 2 ? byte >> 4 : byte & 15;
      if (five && ((high[l] >> j) & 1)) q += 16;
      y[32 * j + l] = d * static_cast<float>(scale) * static_cast<float>(q) - dmin * static_cast<float>(minimum);
    }
  }
}
void decode_q6_k(const std::uint8_t* b, float* y) {
  const std::uint8_t* low = b;
  const std::uint8_t* high = b + 128;
  const auto* scales = reinterpret_cast<const std::int8_t*>(b + 192);
  float d = half_at(b + 208);
  for (int half = 0; half < 2; ++half)
    for (int part = 0; part < 4; ++part)
      for (int l = 0; l < 32; ++l) {
        std::uint8_t byte = low[64 * half + l + (part % 2) * 32];
        int q = (part < 2 ? byte & 15 : byte >> 4) | (((high[32 * half + l] >> (2 * part)) & 3) << 4);
        y[128 * half + 32 * part + l] = d * static_cast<float>(scales[8 * half + 2 * part + l / 16]) * static_cast<float>(q - 32);
      }
}

void decode_block(DType dtype, const std::uint8_t* b, float* y) {
  switch (dtype) {
    case DType::q8_0: return decode_q8_0(b, y);
    case DType::q4_0: return decode_q4_0(b, y);
    case DType::q4_1: return decode_q4_1(b, y);
    case DType::q4_k: return decode_q45_k(b, y, false);
    case DType::q5_k: return decode_q45_k(b, y, true);
    case DType::q6_k: return decode_q6_k(b, y);
    default: fail(ErrorKind::internal, "decode_row: {} is not a float or block format", name(dtype));
  }
}

}  // namespace

std::uint16_t f32_to_f16(float value) {
  auto bits = std::bit_cast<std::uint32_t>(value);
  auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  bits &= 0x7FFFFFFFu;
  if (bits > 0x7F800000u) return sign | 0x7E00u;
  if (bits >= 0x477FF000u) return sign | 0x7C00u;  // rounds to 65536 or more
  if (bits < 0x38800000u) {                        // half denormal: let the float adder round at 2^-24
    float magic = std::bit_cast<float>(bits) + 0.5f;
    return sign | static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(magic) - 0x3F000000u);
  }
  std::uint32_t odd = (bits >> 13) & 1u;
  return sign | static_cast<std::uint16_t>((bits - 0x38000000u + 0xFFFu + odd) >> 13);
}

float e4m3_to_f32(std::uint8_t code) {
  const int exponent = (code >> 3) & 15, mantissa = code & 7;
  float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                  : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  if ((code & 0x7F) == 0x7F) magnitude = std::numeric_limits<float>::quiet_NaN();
  return (code & 0x80) ? -magnitude : magnitude;
}

std::uint8_t f32_to_e4m3(float value) {
  const std::uint8_t sign = std::signbit(value) ? 0x80 : 0;
  const float magnitude = std::abs(value);
  if (!(magnitude < 464.0f)) return magnitude == 464.0f ? sign | 0x7E : sign | 0x7F;  // half way to 480 is even: 448
  if (magnitude < 0x1p-6f) return sign | static_cast<std::uint8_t>(std::nearbyint(magnitude * 0x1p9f));
  int exponent;
  const float fraction = std::frexp(magnitude, &exponent);  // [0.5, 1)
  // 8..16 sixteenths; 16 carries into the exponent.
  return sign | static_cast<std::uint8_t>(8 * (exponent + 6 - 1) + static_cast<int>(std::nearbyint(fraction * 16)));
}

void decode_row(DType dtype, const void* row, std::span<float> out) {
  const auto* bytes = static_cast<const std::uint8_t*>(row);
  switch (dtype) {
    case DType::f32: std::memcpy(out.data(), bytes, out.size_bytes()); return;
    case DType::f16: for (std::size_t i = 0; i < out.size(); ++i) out[i] = half_at(bytes + 2 * i); return;
    case DType::bf16: for (std::size_t i = 0; i < out.size(); ++i) out[i] = bf16_to_f32(load16(bytes + 2 * i)); return;
    case DType::f8_e4m3: for (std::size_t i = 0; i < out.size(); ++i) out[i] = e4m3_to_f32(bytes[i]); return;
    default: break;
  }
  const DTypeInfo& block = info(dtype);
  for (std::size_t i = 0; i < out.size(); i += static_cast<std::size_t>(block.block_elements), bytes += block.block_bytes)
    decode_block(dtype, bytes, out.data() + i);
}

void encode_row(DType dtype, std::span<const float> values, void* row) {
  auto* bytes = static_cast<std::uint8_t*>(row);
  auto store16 = [](std::uint8_t* p, std::uint16_t v) { std::memcpy(p, &v, 2); };
  if (dtype == DType::f32) return void(std::memcpy(bytes, values.data(), values.size_bytes()));
  if (dtype == DType::f16 || dtype == DType::bf16) {
    for (std::size_t i = 0; i < values.size(); ++i)
      store16(bytes + 2 * i, dtype == DType::f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]));
    return;
  }
  if (dtype != DType::q8_0 && dtype != DType::q4_0 && dtype != DType::q4_1)
    fail(ErrorKind::unsupported, "encoding to {} is unsupported; one of f32, f16, bf16, q8_0, q4_0, q4_1", name(dtype));
  for (std::size_t i = 0; i < values.size(); i += 32, bytes += info(dtype).block_bytes) {
    auto block = values.subspan(i, 32);
    auto [low, high] = std::minmax_element(block.begin(), block.end());
    float extreme = std::abs(*low) > std::abs(*high) ? *low : *high;
    if (dtype == DType::q8_0) {
      float d = std::abs(extreme) / 127.0f;
      store16(bytes, f32_to_f16(d));
      for (std::size_t j = 0; j < 32; ++j)
        bytes[2 + j] = static_cast<std::uint8_t>(static_cast<std::int8_t>(d == 0 ? 0 : std::nearbyint(block[j] / d)));
      continue;
    }
    bool offset = dtype == DType::q4_1;
    float d = offset ? (*high - *low) / 15.0f : extreme / -8.0f;
    float m = offset ? *low : -8.0f * d;
    store16(bytes, f32_to_f16(d));
    if (offset) store16(bytes + 2, f32_to_f16(m));
    auto quant = [&](std::size_t j) {
      return static_cast<std::uint8_t>(d == 0 ? (offset ? 0 : 8) : std::clamp(std::nearbyint((block[j] - m) / d), 0.0f, 15.0f));
    };
    for (std::size_t j = 0; j < 16; ++j)
      bytes[(offset ? 4 : 2) + j] = static_cast<std::uint8_t>(quant(j) | (quant(j + 16) << 4));
  }
}

}  // namespace cairn
