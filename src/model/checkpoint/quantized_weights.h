// Quantized weights of a Hugging Face folder: the several tensors of each become one.
#pragma once

#include <memory>
#include <vector>

#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/quantization.h"
#include "model/checkpoint/quantized_rows.h"

namespace cairn {

/// Replaces the tensors of every quantized module X by one "X.weight" [N, K] of a coded dtype, whose rows come from the
/// returned sources. Formats, with the tensors of X that they store:
///   compressed-tensors int-quantized    weight i8 [N, K], weight_scale [N, 1] or one
///                      pack-quantized   weight_packed i32 [N, K/8], weight_scale [N, K/g], weight_shape [2], and with
///                                       zero points weight_zero_point i32 [N/8, K/g]
///                      float-quantized  weight e4m3 [N, K], weight_scale [N, 1], one, or [N/128, K/128]
///   fp8                                 weight e4m3 [N, K], weight_scale or weight_scale_inv as there
///   GPTQ                                qweight i32 [K/8, N], qzeros i32 [K/g, N/8], scales [K/g, N], g_idx i32 [K]
///   AWQ                                 qweight i32 [K, N/8], qzeros i32 [K/g, N/8], scales [K/g, N]; nibbles of a
///                                       word are outputs 0, 2, 4, 6, 1, 3, 5, 7
/// g is 32, 64 or 128. Scales of activations (input_scale) are left out: activations are rounded as the kernels do it.
/// Throws invalid_argument or unsupported naming tensor, actual and expected.
std::vector<std::unique_ptr<QuantizedRows>> join_quantized_weights(const QuantizationConfig& config,
                                                                   std::vector<TensorEntry>& tensors);

}  // namespace cairn
