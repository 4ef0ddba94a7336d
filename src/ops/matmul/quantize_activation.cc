#include "ops/matmul/quantize_activation.h"

#include "base/error.h"
#include "ops/matmul/matmul.h"
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
    args.k = args.columns = x.dim(1);
    const Range range = share(x.dim(0), worker);
    convert_(args, range.begin, range.end);
  }

 private:
  QuantizeTable::Function convert_;
};

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("QuantizeActivation", context, 1, 1);
  context.attributes.get<std::string>("dtype");
  return {converted_type("QuantizeActivation", context.inputs[0], context.attributes)};
}

std::unique_ptr<Kernel> prepare(const PrepareContext& context) {
  return std::make_unique<QuantizeKernel>(context.isa, context.outputs[0].dtype);
}

}  // namespace

ValueType converted_type(std::string_view op, const ValueType& x, const Attributes& attributes) {
  if (!attributes.has("dtype")) return x;
  const auto& to = attributes.get<std::string>("dtype");
  if (to != "a8" && to != "a8x2" && to != "bf16") fail_invalid("{}: dtype is '{}'; accepted: a8, a8x2, bf16", op, to);
  if (x.dtype != DType::f32 || x.shape.size() != 2 || x.shape[1].is_symbol())
    fail_invalid("{}: {} does not become {}: expected f32 of rank 2 with a constant last dimension", op, to_string(x),
                 to);
  ValueType type = x;
  type.dtype = to == "a8" ? DType::a8 : to == "a8x2" ? DType::a8x2 : DType::bf16;
  if (x.shape[1].value % info(type.dtype).block_elements != 0)
    fail_invalid("{}: the last dimension of {} must be a multiple of {} for {}", op, to_string(x),
                 info(type.dtype).block_elements, to);
  return type;
}

RowConverter::RowConverter(Isa isa, DType to) : convert_(to == DType::f32 ? nullptr : function(isa, to)) {}

void RowConverter::operator()(const float* x, const TensorView& out, std::int64_t row, std::int64_t first,
                              std::int64_t columns) const noexcept {
  QuantizeArgs args;
  args.x = reinterpret_cast<const std::uint8_t*>(x);
  args.out = out.as<std::uint8_t>() + row * row_bytes(out.dtype, out.strides[0]);
  args.k = out.dim(1), args.first = first, args.columns = columns;
  convert_(args, 0, 1);
}

void convert_after(std::span<const TensorView> outputs,
                   const std::function<void(std::span<const TensorView>)>& formula) {
  if (outputs[0].dtype == DType::f32) return formula(outputs);
  const Tensor unconverted(DType::f32, outputs[0].shape);
  std::vector<TensorView> plain(outputs.begin(), outputs.end());
  plain[0] = unconverted.view();
  formula(plain);
  quantize_activation_ref({plain.data(), 1}, outputs.first(1), {});
}

const Operator kQuantizeActivation = {
    .name = "QuantizeActivation",
    .doc = "x [T, K] f32, dtype -> x as a8 (int8 in blocks of 32), a8x2 (twice that: 16 bits) or bf16",
    .infer = infer,
    .prepare = prepare,
    .reference = quantize_activation_ref,
};

}  // namespace cairn
