#include "base/error.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/matmul_kernels.h"
#include "ops/matmul/reference.h"

namespace cairn {
#define X(isa)                               \
  namespace isa {                            \
  extern const QuantizeTable kQuantizeTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace {

const QuantizeTable& table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kQuantizeTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kQuantizeTable;
}

QuantizeTable::Function function(Isa isa, DType to) {
  const QuantizeTable& functions = table(isa);
  return to == DType::a8 ? functions.to_a8 : to == DType::a8x2 ? functions.to_a8x2 : functions.to_bf16;
}

class QuantizeKernel final : public Kernel {
 public:
  QuantizeKernel(Isa isa, DType to) : convert_(function(isa, to)) {}

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte*, int,
           Worker worker) const noexcept override {
    const TensorView &x = inputs[0], &out = outputs[0];
    QuantizeArgs args;
    args.x = x.as<const std::uint8_t>();
    args.x_stride = row_bytes(x.dtype, x.strides[0]);
    args.out = out.as<std::uint8_t>();
    args.out_stride = row_bytes(out.dtype, out.strides[0]);
    args.k = x.dim(1);
    const Range range = share(x.dim(0), worker);
    convert_(args, range.begin, range.end);
  }

 private:
  QuantizeTable::Function convert_;
};

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("QuantizeActivation", context, 1, 1);
  expect_rank("QuantizeActivation", context, 0, 2);
  expect_dtype("QuantizeActivation", context, 0, {DType::f32});
  const auto& to = context.attributes.get<std::string>("dtype");
  if (to != "a8" && to != "a8x2" && to != "bf16")
    fail_invalid("QuantizeActivation: dtype is '{}'; accepted: a8, a8x2, bf16", to);
  ValueType type = context.inputs[0];
  const Dim& k = type.shape[1];
  if (k.is_symbol()) fail_invalid("QuantizeActivation: the last dimension of {} must be a constant", to_string(type));
  type.dtype = to == "a8" ? DType::a8 : to == "a8x2" ? DType::a8x2 : DType::bf16;
  if (k.value % info(type.dtype).block_elements != 0)
    fail_invalid("QuantizeActivation: the last dimension of {} must be a multiple of {} for {}",
                 to_string(context.inputs[0]), info(type.dtype).block_elements, to);
  return {type};
}

std::unique_ptr<Kernel> prepare(const PrepareContext& context) {
  return std::make_unique<QuantizeKernel>(context.isa, context.outputs[0].dtype);
}

}  // namespace

const Operator kQuantizeActivation = {
    .name = "QuantizeActivation",
    .doc = "x [T, K] f32, dtype -> x as a8 (int8 in blocks of 32), a8x2 (twice that: 16 bits) or bf16",
    .infer = infer,
    .prepare = prepare,
    .reference = quantize_activation_ref,
};

}  // namespace cairn
