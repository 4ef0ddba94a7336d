// Kernel table of the activation family; one instance an instruction set.
#pragma once

#include <cstdint>

#include "backends/cpu/isa.h"

namespace cairn {

struct ActivationTable {
  void (*swiglu)(const float* gate, const float* up, float* out, std::int64_t n);
};

const ActivationTable& activation_table(Isa isa);

}  // namespace cairn
