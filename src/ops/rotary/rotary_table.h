// The rotary kernels by instruction set, for operators that rotate as part of their work.
#pragma once

#include "backends/cpu/isa.h"
#include "ops/rotary/rotary_kernels.h"

namespace cairn {

const RotaryTable& rotary_table(Isa isa);

}  // namespace cairn
