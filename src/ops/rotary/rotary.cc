#include "ops/rotary/rotary.h"

#include <algorithm>

#include "base/error.h"
#include "ops/rotary/frequencies.h"
#include "ops/rotary/reference.h"
#include "ops/rotary/rotary_table.h"

namespace cairn {
#define X(isa)                           \
  namespace isa {                        \
  extern const RotaryTable kRotaryTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

const RotaryTable& rotary_table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kRotaryTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kRotaryTable;
}

namespace {

constexpr std::int64_t kTokens = 16;  // whose angles are computed at once

class RotaryKernel final : public Kernel {
 public:
  RotaryKernel(Isa isa, const Attributes& attributes)
      : table_(rotary_table(isa)),
        frequencies_(rotary_frequencies(attributes)),
        rotary_dim_(attributes.get<std::int64_t>("rotary_dim")),
        interleaved_(attributes.get<std::int64_t>("interleaved") != 0) {}

  std::int64_t workspace_bytes(std::span<const TensorView>, int workers) const override {
    return workers * angle_floats() * static_cast<std::int64_t>(sizeof(float));
  }

  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int,
           Worker worker) const noexcept override {
    const Rows<const float> x = rows_of<const float>(inputs[0]);
    const Rows<float> out = rows_of<float>(outputs[0]);
    const std::int64_t heads = x.inner;
    float* angles = reinterpret_cast<float*>(workspace) + worker.index * angle_floats();
    const AngleArgs angle_args = {
        nullptr,     0,      frequencies_.data(),        inputs.size() > 2 ? inputs[2].as<const float>() : nullptr,
        rotary_dim_, angles, angles + angle_floats() / 2};
    const Range range = share(x.count, worker);
    for (std::int64_t row = range.begin; row < range.end;) {
      const std::int64_t token = row / heads, end = std::min(range.end, (token + kTokens) * heads);
      AngleArgs of_tokens = angle_args;
      of_tokens.positions = inputs[1].as<const std::int32_t>() + token;
      of_tokens.tokens = (end - 1) / heads + 1 - token;
      table_.angles(of_tokens);
      const Rows<const float> x_part = {
          x.row(token * heads), of_tokens.tokens * heads, x.columns, heads, x.outer_stride, x.inner_stride};
      const Rows<float> out_part = {out.row(token * heads), x_part.count,    out.columns, heads,
                                    out.outer_stride,       out.inner_stride};
      table_.rotate({x_part, out_part, of_tokens.sine, of_tokens.cosine, rotary_dim_, interleaved_},
                    row - token * heads, end - token * heads);
      row = end;
    }
  }

 private:
  std::int64_t angle_floats() const { return kTokens * ((rotary_dim_ + 15) / 16 * 16); }

  const RotaryTable& table_;
  std::vector<float> frequencies_;
  std::int64_t rotary_dim_;
  bool interleaved_;
};

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("RotaryEmbedding", context, 2, 3);
  expect_rank("RotaryEmbedding", context, 0, 3);
  expect_dtype("RotaryEmbedding", context, 0, {DType::f32});
  expect_rank("RotaryEmbedding", context, 1, 1);
  expect_dtype("RotaryEmbedding", context, 1, {DType::i32});
  const ValueType& x = context.inputs[0];
  expect_same_dim("RotaryEmbedding", x.shape[0], context.inputs[1].shape[0], "the tokens of x and positions");
  const auto rotary_dim = context.attributes.get<std::int64_t>("rotary_dim");
  if (x.shape[1].is_symbol() || x.shape[2].is_symbol() || x.shape[1].value < 1)
    fail_invalid("RotaryEmbedding: heads and head dimension of {} must be constants", to_string(x));
  if (rotary_dim < 2 || rotary_dim % 2 != 0 || rotary_dim > x.shape[2].value || rotary_dim > kMaxRotaryDim)
    fail_invalid("RotaryEmbedding: rotary_dim {} must be even, at least 2, at most the head dimension of {} and {}",
                 rotary_dim, to_string(x), kMaxRotaryDim);
  rotary_frequencies(context.attributes);  // refuses bad scalings while the graph is built
  if (context.inputs.size() == 3) {
    expect_rank("RotaryEmbedding", context, 2, 1);
    expect_dtype("RotaryEmbedding", context, 2, {DType::f32});
    expect_same_dim("RotaryEmbedding", context.inputs[2].shape[0], rotary_dim / 2, "rope_freqs and rotary_dim / 2");
  }
  return {x};
}

}  // namespace

const Operator kRotaryEmbedding = {
    .name = "RotaryEmbedding",
    .doc =
        "x [T, H, D], positions i32 [T], optional rope_freqs [rotary_dim / 2] -> x rotated by its position [T, H, D]",
    .infer = infer,
    .prepare = [](const PrepareContext& context) -> std::unique_ptr<Kernel> {
      return std::make_unique<RotaryKernel>(context.isa, context.attributes);
    },
    .reference = rotary_embedding_ref,
};

}  // namespace cairn
