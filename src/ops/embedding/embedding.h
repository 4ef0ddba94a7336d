// Token embedding.
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// Embedding(ids i32 [T], weight [V, K] of any stored dtype, strided or panel16) -> f32 [T, K]: row ids[t] of the
/// weight, decoded; the same bits from either layout. A packed weight may be a MatMul's at the same time (tied
/// embeddings). Ids outside [0, V) are the caller's to refuse; here they are clamped, so that no memory outside the
/// weight is read.
extern const Operator kEmbedding;

}  // namespace cairn
