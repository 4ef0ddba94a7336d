// Rotary position embedding (Su et al. 2021).
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// RotaryEmbedding(x f32 [T, H, D], positions i32 [T], optional rope_freqs f32 [rotary_dim / 2]) -> [T, H, D].
/// Attributes: theta, rotary_dim (even, <= D, <= 1024; the rest of each head is copied), interleaved (0: pairs
/// (i, i + rotary_dim / 2) as Hugging Face; 1: pairs (2i, 2i + 1) as GGUF's llama), scaling with its factors
/// (frequencies.h). rope_freqs divide the frequencies (GGUF's form of llama3 scaling).
/// Angles are the f32 product position * frequency, as transformers computes them; their sine and cosine are right to
/// 1 ulp. Positions are expected in [0, 2^24].
extern const Operator kRotaryEmbedding;

}  // namespace cairn
