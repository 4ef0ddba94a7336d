// Kernel table of the activation family; one instance an instruction set.
#pragma once

#include <cstdint>

namespace cairn {

struct ActivationTable {
  void (*swiglu)(const float* gate, const float* up, float* out, std::int64_t n);
};

}  // namespace cairn
