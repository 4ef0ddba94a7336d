// Rotary embedding as its formula.
#pragma once

#include <span>

#include "ops/core/attributes.h"
#include "tensor/view.h"

namespace cairn {

void rotary_embedding_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                          const Attributes& attributes);

}  // namespace cairn
