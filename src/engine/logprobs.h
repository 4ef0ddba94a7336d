// Log-probabilities and ranks from raw logits.
#pragma once

#include <span>

#include "engine/outputs.h"
#include "engine/token_choice.h"

namespace cairn {

/// Natural log-softmax of `row` for `token` and for the `count` likeliest tokens (all of them for -1), likeliest first,
/// of equals the lower id. A rank is 1 plus the number of likelier tokens. Overwrites `scratch`. Throws internal when
/// the row holds NaN or no finite maximum.
PositionLogprobs compute_logprobs(std::span<const float> row, int token, int count, ChoiceScratch& scratch);

}  // namespace cairn
