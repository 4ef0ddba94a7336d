// Schema checks that the operators over a paged KV cache share.
#pragma once

#include <string_view>

#include "ops/core/operator.h"

namespace cairn {

/// Inputs `k` and `k + 1` are caches [num_blocks, Hkv, block_size, D] of one type, with supported sizes. Throws
/// invalid_argument, or unsupported for a head dimension that the kernels do not take.
void check_caches(std::string_view op, const InferContext& context, std::size_t k);

}  // namespace cairn
