#include "ops/registry/registry.h"

#include "ops/activation/activation.h"
#include "ops/attention/attention.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/norm.h"
#include "ops/rotary/rotary.h"

namespace cairn {

OperatorRegistry builtin_operators() {
  static constexpr const Operator* kOperators[] = {
      &kRmsNorm,
      &kAddRmsNorm,       // norm
      &kRotaryEmbedding,  // rotary
      &kSwiGlu,           // activation
      &kAdd,
      &kGatherRows,
      &kSplit,
      &kReshape,  // elementwise
      &kWriteKv,
      &kPagedAttention,  // attention
  };
  return OperatorRegistry({std::begin(kOperators), std::end(kOperators)});
}

}  // namespace cairn
