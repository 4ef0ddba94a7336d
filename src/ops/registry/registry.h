// The operators that this build has.
#pragma once

#include "ops/core/operator.h"

namespace cairn {

/// Every operator of the library, in a registry of the caller's own.
OperatorRegistry builtin_operators();

}  // namespace cairn
