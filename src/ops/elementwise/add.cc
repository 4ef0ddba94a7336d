#include <algorithm>
#include <vector>

#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/elementwise_kernels.h"
#include "tensor/float_formats.h"

namespace cairn {
#define X(isa)                                     \
  namespace isa {                                  \
  extern const ElementwiseTable kElementwiseTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace {

// One row may be shared by several workers, in pieces of this many columns.
constexpr std::int64_t kChunk = 1024;

const ElementwiseTable& table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kElementwiseTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kElementwiseTable;
}

class AddKernel final : public Kernel {
 public:
  explicit AddKernel(Isa isa) : table_(table(isa)) {}

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte*, int,
           Worker worker) const noexcept override {
    const TensorView& b = inputs[1];
    const AddendType type = b.dtype == DType::bf16  ? AddendType::bf16
                            : b.dtype == DType::f16 ? AddendType::f16
                                                    : AddendType::f32;
    const std::int64_t columns = outputs[0].dim(1), chunks = (columns + kChunk - 1) / kChunk;
    const std::int64_t b_stride = b.shape.rank() == 2 ? b.strides[0] : 0;
    Range range = share(outputs[0].dim(0) * chunks, worker);
    for (std::int64_t unit = range.begin; unit < range.end; ++unit) {
      const std::int64_t t = unit / chunks, from = unit % chunks * kChunk;
      table_.add(inputs[0].row<const float>(t) + from, b.data + row_bytes(b.dtype, t * b_stride + from), type,
                 outputs[0].row<float>(t) + from, std::min(kChunk, columns - from));
    }
  }

 private:
  const ElementwiseTable& table_;
};

std::vector<ValueType> infer_add(const InferContext& context) {
  expect_inputs("Add", context, 2, 2);
  expect_rank("Add", context, 0, 2);
  expect_dtype("Add", context, 0, {DType::f32});
  const ValueType &a = context.inputs[0], &b = context.inputs[1];
  if (b.shape.size() == 1) {
    expect_dtype("Add", context, 1, {DType::f32, DType::bf16, DType::f16});
    expect_same_dim("Add", a.shape[1], b.shape[0], "the columns of a and the bias");
    return {a};
  }
  expect_rank("Add", context, 1, 2);
  expect_dtype("Add", context, 1, {DType::f32});
  for (std::size_t d : {0, 1}) expect_same_dim("Add", a.shape[d], b.shape[d], "the shapes of a and b");
  return {a};
}

void add_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) {
  const TensorView& b = inputs[1];
  const std::int64_t b_stride = b.shape.rank() == 2 ? b.strides[0] : 0;
  std::vector<float> addend(static_cast<std::size_t>(outputs[0].dim(1)));
  for (std::int64_t t = 0; t < outputs[0].dim(0); ++t) {
    decode_row(b.dtype, b.data + row_bytes(b.dtype, t * b_stride), addend);
    for (std::size_t i = 0; i < addend.size(); ++i)
      outputs[0].row<float>(t)[i] = inputs[0].row<const float>(t)[i] + addend[i];
  }
}

}  // namespace

const Operator kAdd = {
    .name = "Add",
    .doc = "a [T, N], b [T, N] or a bias [N] -> a + b [T, N]",
    .infer = infer_add,
    .prepare = [](const PrepareContext& context) -> std::unique_ptr<Kernel> {
      return std::make_unique<AddKernel>(context.isa);
    },
    .reference = add_ref,
};

}  // namespace cairn
