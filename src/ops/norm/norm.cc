#include "ops/norm/norm.h"

#include "base/error.h"
#include "ops/matmul/quantize_activation.h"
#include "ops/norm/norm_table.h"
#include "ops/norm/reference.h"

namespace cairn {
#define X(isa)                       \
  namespace isa {                    \
  extern const NormTable kNormTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

const NormTable& norm_table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kNormTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kNormTable;
}

NormWeight norm_weight(DType dtype) {
  return dtype == DType::bf16 ? NormWeight::bf16 : dtype == DType::f16 ? NormWeight::f16 : NormWeight::f32;
}

namespace {

class NormKernel final : public Kernel {
 public:
  NormKernel(Isa isa, float eps, bool residual, DType to)
      : table_(norm_table(isa)), eps_(eps), residual_(residual), converter_(isa, to) {}

  // Rows that are converted are normalized into a row of the worker's own.
  std::int64_t workspace_bytes(std::span<const TensorView> inputs, int workers) const override {
    return converter_.converts() ? workers * scratch_bytes(inputs[0]) : 0;
  }

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int,
           Worker worker) const noexcept override {
    const TensorView& weight = inputs[residual_ ? 2 : 1];
    NormArgs args;
    args.x = rows_of<const float>(inputs[0]);
    if (residual_) args.residual = rows_of<const float>(inputs[1]), args.sum = rows_of<float>(outputs[1]);
    args.weight = weight.data;
    args.weight_type = norm_weight(weight.dtype);
    args.eps = eps_;
    Range range = share(args.x.count, worker);
    if (!converter_.converts()) {
      args.normed = rows_of<float>(outputs[0]);
      return table_.rms_norm(args, range.begin, range.end);
    }
    auto* scratch = reinterpret_cast<float*>(workspace + worker.index * scratch_bytes(inputs[0]));
    args.normed = {scratch, args.x.count, args.x.columns, 1, 0, 0};
    for (std::int64_t row = range.begin; row < range.end; ++row) {
      table_.rms_norm(args, row, row + 1);
      converter_(scratch, outputs[0], row, 0, args.x.columns);
    }
  }

 private:
  static std::int64_t scratch_bytes(const TensorView& x) { return (x.shape.back() * 4 + 63) / 64 * 64; }

  const NormTable& table_;
  float eps_;
  bool residual_;
  RowConverter converter_;
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
  return {converted_type("RmsNorm", context.inputs[0], context.attributes)};
}

std::vector<ValueType> infer_add_rms_norm(const InferContext& context) {
  expect_inputs("AddRmsNorm", context, 3, 3);
  for (std::size_t i : {0, 1})
    expect_rank("AddRmsNorm", context, i, 2), expect_dtype("AddRmsNorm", context, i, {DType::f32});
  for (std::size_t d : {0, 1})
    expect_same_dim("AddRmsNorm", context.inputs[0].shape[d], context.inputs[1].shape[d],
                    "the shapes of x and residual");
  check_weight("AddRmsNorm", context, 2);
  return {converted_type("AddRmsNorm", context.inputs[0], context.attributes), context.inputs[0]};
}

template <bool kResidual>
std::unique_ptr<Kernel> prepare(const PrepareContext& context) {
  return std::make_unique<NormKernel>(context.isa, static_cast<float>(context.attributes.get<double>("eps")), kResidual,
                                      context.outputs[0].dtype);
}

}  // namespace

const Operator kRmsNorm = {
    .name = "RmsNorm",
    .doc = "x [T, D] or [T, H, D], weight [D] -> x / sqrt(mean(x^2) + eps) * weight",
    .infer = infer_rms_norm,
    .prepare = prepare<false>,
    .reference = rms_norm_ref,
    .converts = true,
};

const Operator kAddRmsNorm = {
    .name = "AddRmsNorm",
    .doc = "x [T, D], residual [T, D], weight [D] -> RmsNorm(x + residual), x + residual",
    .infer = infer_add_rms_norm,
    .prepare = prepare<true>,
    .reference = add_rms_norm_ref,
    .converts = true,
};

}  // namespace cairn
