// Kernel table of the elementwise family; one instance an instruction set.
#pragma once

#include <cstdint>

namespace cairn {

enum class AddendType : int { f32, bf16, f16 };

struct ElementwiseTable {
  /// out[i] = a[i] + b[i]; b of the given type.
  void (*add)(const float* a, const void* b, AddendType type, float* out, std::int64_t n);
};

}  // namespace cairn
