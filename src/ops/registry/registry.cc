#include "ops/registry/registry.h"

#include "ops/activation/activation.h"
#include "ops/activation/matmul_swiglu.h"
#include "ops/attention/attention.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/matmul/grouped_matmul.h"
#include "ops/matmul/matmul.h"
#include "ops/norm/norm.h"
#include "ops/rotary/rotary.h"

namespace cairn {

OperatorRegistry builtin_operators() {
  static constexpr const Operator* kOperators[] = {
      // matmul and embedding
      &kMatMul,
      &kGroupedMatMul,
      &kQuantizeActivation,
      &kEmbedding,
      // norm
      &kRmsNorm,
      &kAddRmsNorm,
      // rotary
      &kRotaryEmbedding,
      // activation
      &kSwiGlu,
      &kMatMulSwiGlu,
      // elementwise
      &kAdd,
      &kGatherRows,
      &kSplit,
      &kReshape,
      // attention
      &kWriteKv,
      &kRotaryWriteKv,
      &kPagedAttention,
  };
  return OperatorRegistry({std::begin(kOperators), std::end(kOperators)});
}

}  // namespace cairn
