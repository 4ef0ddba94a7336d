// A checkpoint as text for `cairn inspect`.
#pragma once

#include <string>

#include "model/checkpoint/checkpoint.h"

namespace cairn {

/// Configuration, tensors with dtype, shape and bytes, totals a dtype, memory that the weights need, chat template.
std::string describe(const Checkpoint& checkpoint);

}  // namespace cairn
