// Conversion of f32 rows to what MatMul reads, for operators that write their output converted (Operator::converts).
#pragma once

#include <functional>
#include <string_view>

#include "ops/core/operator.h"
#include "ops/matmul/matmul_kernels.h"

namespace cairn {

/// The type of `x` f32 [T, K] once it is converted to the attribute "dtype" (a8, a8x2 or bf16); `x` where the attribute
/// is absent. Throws invalid_argument in the name of `op` for another rank, dtype, or a K that is not whole blocks.
ValueType converted_type(std::string_view op, const ValueType& x, const Attributes& attributes);

/// Converts rows as QuantizeActivation does.
class RowConverter {
 public:
  /// `to` is a8, a8x2, bf16, or f32, which is not converted.
  RowConverter(Isa isa, DType to);
  bool converts() const { return convert_ != nullptr; }
  /// x, f32, becomes columns [first, first + columns) of row `row` of `out` [T, K]; whole blocks.
  void operator()(const float* x, const TensorView& out, std::int64_t row, std::int64_t first,
                  std::int64_t columns) const noexcept;

 private:
  QuantizeTable::Function convert_ = nullptr;
};

/// For references: `formula` gets outputs of which the first is f32, and it is converted to what `outputs` has.
void convert_after(std::span<const TensorView> outputs,
                   const std::function<void(std::span<const TensorView>)>& formula);

}  // namespace cairn
