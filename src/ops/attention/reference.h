// The attention operators as their formulas.
#pragma once

#include <span>

#include "ops/core/attributes.h"
#include "tensor/view.h"

namespace cairn {

void write_kv_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                  const Attributes& attributes);
void paged_attention_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         const Attributes& attributes);

}  // namespace cairn
