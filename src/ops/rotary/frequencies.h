// Rotary frequencies of each pair of dimensions, with the scalings that Hugging Face configs name.
#pragma once

#include <vector>

#include "ops/core/attributes.h"

namespace cairn {

/// theta^(-2i / rotary_dim) for i < rotary_dim / 2, scaled by `scaling`:
///   "default": as they are; "linear": divided by factor; "llama3": long waves divided by factor, short ones kept, the
///   ones between blended (low_freq_factor, high_freq_factor, original_max_position_embeddings).
/// Every step is rounded to f32 as transformers does. Throws unsupported for another scaling, invalid_argument for
/// a factor out of range.
std::vector<float> rotary_frequencies(const Attributes& attributes);

}  // namespace cairn
