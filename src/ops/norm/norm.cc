#include "ops/norm/norm.h"

#include "base/error.h"
#include "ops/norm/norm_kernels.h"
#include "ops/norm/reference.h"

namespace cairn {
#define X(isa)                       \
  namespace isa {                    \
  extern const NormTable kNormTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace {

const NormTable& table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kNormTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kNormTable;
}

NormWeight weight_type(DType dtype) {
  return dtype == DType::bf16 ? NormWeight::bf16 : dtype == DType::f16 ? NormWeight::f16 : NormWeight::f32;
}

class NormKernel final : public Kernel {
 public:
  NormKernel(Isa isa, float eps, bool residual) : table_(table(isa)), eps_(eps), residual_(residual) {}

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte*, int,
           Worker worker) const noexcept override {
    const TensorView& weight = inputs[residual_ ? 2 : 1];
    NormArgs args;
    args.x = rows_of<const float>(inputs[0]);
    args.normed = rows_of<float>(outputs[0]);
    if (residual_) args.residual = rows_of<const float>(inputs[1]), args.sum = rows_of<float>(outputs[1]);
    args.weight = weight.data;
    args.weight_type = weight_type(weight.dtype);
    args.eps = eps_;
    Range range = share(args.x.count, worker);
    table_.rms_norm(args, range.begin, range.end);
  }

 private:
  const NormTable& table_;
  float eps_;
  bool residual_;
};

void check_weight(std::string_view op, const InferContext& context, std::size_t input) {
  expect_rank(op, context, input, 1);
  expect_dtype(op, context, input, {DType::f32, DType::bf16, DType::f16});
  expect_same_dim(op, context.inputs[0].shape.back(), context.inputs[input].shape[0],
                  "the last dimension of x and the weight");
  const Dim& columns = context.inputs[0].shape.back();
  if (columns.is_symbol() || columns.value < 1)
    fail_invalid("{}: the last dimension of {} must be a constant of at least 1", op, to_string(context.inputs[0]));
}

std::vector<ValueType> infer_rms_norm(const InferContext& context) {
  expect_inputs("RmsNorm", context, 2, 2);
  expect_dtype("RmsNorm", context, 0, {DType::f32});
  if (context.inputs[0].shape.size() != 3) expect_rank("RmsNorm", context, 0, 2);
  check_weight("RmsNorm", context, 1);
  return {context.inputs[0]};
}

std::vector<ValueType> infer_add_rms_norm(const InferContext& context) {
  expect_inputs("AddRmsNorm", context, 3, 3);
  for (std::size_t i : {0, 1})
    expect_rank("AddRmsNorm", context, i, 2), expect_dtype("AddRmsNorm", context, i, {DType::f32});
  for (std::size_t d : {0, 1})
    expect_same_dim("AddRmsNorm", context.inputs[0].shape[d], context.inputs[1].shape[d],
                    "the shapes of x and residual");
  check_weight("AddRmsNorm", context, 2);
  return {context.inputs[0], context.inputs[0]};
}

template <bool kResidual>
std::unique_ptr<Kernel> prepare(const PrepareContext& context) {
  return std::make_unique<NormKernel>(context.isa, static_cast<float>(context.attributes.get<double>("eps")),
                                      kResidual);
}

}  // namespace

const Operator kRmsNorm = {
    .name = "RmsNorm",
    .doc = "x [T, D] or [T, H, D], weight [D] -> x / sqrt(mean(x^2) + eps) * weight",
    .infer = infer_rms_norm,
    .prepare = prepare<false>,
    .reference = rms_norm_ref,
};

const Operator kAddRmsNorm = {
    .name = "AddRmsNorm",
    .doc = "x [T, D], residual [T, D], weight [D] -> RmsNorm(x + residual), x + residual",
    .infer = infer_add_rms_norm,
    .prepare = prepare<true>,
    .reference = add_rms_norm_ref,
};

}  // namespace cairn
