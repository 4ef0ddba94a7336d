// The norm operators as their formulas.
#pragma once

#include <span>

#include "ops/core/attributes.h"
#include "tensor/view.h"

namespace cairn {

void rms_norm_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                  const Attributes& attributes);
void add_rms_norm_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                      const Attributes& attributes);

}  // namespace cairn
