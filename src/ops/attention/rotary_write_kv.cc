#include <algorithm>
#include <vector>

#include "ops/attention/attention.h"
#include "ops/attention/kv_row_writer.h"
#include "ops/attention/reference.h"
#include "ops/norm/norm.h"
#include "ops/norm/norm_table.h"
#include "ops/rotary/frequencies.h"
#include "ops/rotary/rotary.h"
#include "ops/rotary/rotary_table.h"

namespace cairn {
namespace {

// Tokens of one head that are worked on together: they share cache lines of the KV cache.
constexpr std::int64_t kTile = kKvGroup;

// The optional inputs; -1 where absent.
struct Inputs {
  int rope_freqs = -1, q_norm = -1, k_norm = -1;
  std::size_t count = 7;
};

Inputs inputs_of(const Attributes& attributes) {
  Inputs inputs;
  int next = 7;
  if (attributes.get_or<std::int64_t>("rope_freqs", 0)) inputs.rope_freqs = next++;
  if (attributes.has("eps")) inputs.q_norm = next++, inputs.k_norm = next++;
  inputs.count = static_cast<std::size_t>(next);
  return inputs;
}

class RotaryWriteKvKernel final : public Kernel {
 public:
  RotaryWriteKvKernel(Isa isa, const Attributes& attributes)
      : norm_(norm_table(isa)),
        rotary_(rotary_table(isa)),
        writer_(isa),
        inputs_(inputs_of(attributes)),
        eps_(static_cast<float>(attributes.get_or<double>("eps", 0))),
        frequencies_(rotary_frequencies(attributes)),
        rotary_dim_(attributes.get<std::int64_t>("rotary_dim")),
        interleaved_(attributes.get<std::int64_t>("interleaved") != 0) {}

  std::int64_t workspace_bytes(std::span<const TensorView> inputs, int workers) const override {
    return workers * scratch_floats(inputs[0].dim(2)) * static_cast<std::int64_t>(sizeof(float));
  }

  // A unit is a head of q, k or v of a tile of tokens; a tile's units follow each other and share its angles.
  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte* workspace, int,
           Worker worker) const noexcept override {
    const std::int64_t tokens = inputs[0].dim(0), q_heads = inputs[0].dim(1), kv_heads = inputs[1].dim(1);
    const std::int64_t heads = q_heads + 2 * kv_heads, head_dim = inputs[0].dim(2);
    Scratch scratch;
    scratch.normed = reinterpret_cast<float*>(workspace) + worker.index * scratch_floats(head_dim);
    scratch.rotated = scratch.normed + kTile * head_dim;
    scratch.sine = scratch.rotated + kTile * head_dim;
    scratch.cosine = scratch.sine + kTile * rotary_dim_ / 2;
    const auto* slots = inputs[5].as<const std::int64_t>();
    const Range range = share((tokens + kTile - 1) / kTile * heads, worker);
    std::int64_t ready = -1;
    for (std::int64_t unit = range.begin; unit < range.end; ++unit) {
      const std::int64_t first = unit / heads * kTile, count = std::min(kTile, tokens - first), head = unit % heads;
      const bool is_q = head < q_heads, is_v = head >= q_heads + kv_heads;
      const std::int64_t kv_head = (head - q_heads) % kv_heads;
      const TensorView& source = inputs[is_q ? 0 : is_v ? 2 : 1];
      Rows<const float> x = head_rows<const float>(source, is_q ? head : kv_head, first, count);
      if (is_v) {
        for (std::int64_t t = 0; t < count; ++t)
          writer_.write(Kv::value, x.row(t), outputs[2], kv_head, slots[first + t]);
        continue;
      }
      if (ready != first) compute_angles(inputs, first, count, scratch), ready = first;
      if (inputs_.q_norm >= 0)
        x = normalize(x, inputs[static_cast<std::size_t>(is_q ? inputs_.q_norm : inputs_.k_norm)], scratch);
      const Rows<float> rotated = is_q ? head_rows<float>(outputs[0], head, first, count)
                                       : Rows<float>{scratch.rotated, count, head_dim, 1, head_dim, 0};
      rotary_.rotate({x, rotated, scratch.sine, scratch.cosine, rotary_dim_, interleaved_}, 0, count);
      for (std::int64_t t = 0; !is_q && t < count; ++t)
        writer_.write(Kv::key, rotated.row(t), outputs[1], kv_head, slots[first + t]);
    }
  }

 private:
  // One worker's: [kTile, D] each of normed and rotated rows, [kTile, rotary_dim / 2] each of sines and cosines.
  struct Scratch {
    float *normed, *rotated, *sine, *cosine;
  };
  std::int64_t scratch_floats(std::int64_t head_dim) const { return kTile * (2 * head_dim + rotary_dim_); }

  template <typename T>
  static Rows<T> head_rows(const TensorView& x, std::int64_t head, std::int64_t first, std::int64_t count) {
    return {x.row<T>(first) + head * x.strides[1], count, x.dim(2), 1, x.strides[0], 0};
  }

  void compute_angles(std::span<const TensorView> inputs, std::int64_t first, std::int64_t count,
                      const Scratch& scratch) const {
    AngleArgs args;
    args.positions = inputs[6].as<const std::int32_t>() + first, args.tokens = count;
    args.frequencies = frequencies_.data(), args.rotary_dim = rotary_dim_;
    if (inputs_.rope_freqs >= 0)
      args.frequency_factors = inputs[static_cast<std::size_t>(inputs_.rope_freqs)].as<const float>();
    args.sine = scratch.sine, args.cosine = scratch.cosine;
    rotary_.angles(args);
  }

  Rows<const float> normalize(const Rows<const float>& x, const TensorView& weight, const Scratch& scratch) const {
    NormArgs args;
    args.x = x;
    args.normed = {scratch.normed, x.count, x.columns, 1, x.columns, 0};
    args.weight = weight.data, args.weight_type = norm_weight(weight.dtype), args.eps = eps_;
    norm_.rms_norm(args, 0, x.count);
    return {scratch.normed, x.count, x.columns, 1, x.columns, 0};
  }

  const NormTable& norm_;
  const RotaryTable& rotary_;
  KvRowWriter writer_;
  Inputs inputs_;
  float eps_;
  std::vector<float> frequencies_;
  std::int64_t rotary_dim_;
  bool interleaved_;
};

// The schemas of the operators that this one stands for, one after the other.
std::vector<ValueType> infer(const InferContext& context) {
  const Inputs inputs = inputs_of(context.attributes);
  expect_inputs("RotaryWriteKv", context, inputs.count, inputs.count);
  kWriteKv.infer({context.inputs.subspan(1, 5), context.attributes});
  for (std::size_t x : {0, 1}) {
    std::vector<ValueType> rotated = {context.inputs[x], context.inputs[6]};
    if (inputs.rope_freqs >= 0) rotated.push_back(context.inputs[static_cast<std::size_t>(inputs.rope_freqs)]);
    kRotaryEmbedding.infer({rotated, context.attributes});
    if (inputs.q_norm < 0) continue;
    const int norm = x == 0 ? inputs.q_norm : inputs.k_norm;
    const std::vector<ValueType> normed = {context.inputs[x], context.inputs[static_cast<std::size_t>(norm)]};
    kRmsNorm.infer({normed, context.attributes});
  }
  expect_same_dim("RotaryWriteKv", context.inputs[0].shape[2], context.inputs[1].shape[2],
                  "the head dimensions of q and k");
  return {context.inputs[0], context.inputs[3], context.inputs[4]};
}

Cost cost(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes) {
  Cost cost = bytes_of(inputs.first(1), outputs.first(1));
  cost.bytes += kWriteKv.cost(inputs.subspan(1, 5), outputs.subspan(1), attributes).bytes;
  return cost;
}

void reference(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes& attributes) {
  const Inputs optional = inputs_of(attributes);
  const Tensor rotated_k(DType::f32, inputs[1].shape);
  for (std::size_t i : {0, 1}) {
    Tensor normed(DType::f32, inputs[i].shape);
    std::vector<TensorView> rotary_inputs = {inputs[i], inputs[6]};
    if (optional.q_norm >= 0) {
      const int norm = i == 0 ? optional.q_norm : optional.k_norm;
      const std::vector<TensorView> norm_inputs = {inputs[i], inputs[static_cast<std::size_t>(norm)]};
      rotary_inputs[0] = normed.view();
      kRmsNorm.reference(norm_inputs, {rotary_inputs.data(), 1}, attributes);
    }
    if (optional.rope_freqs >= 0) rotary_inputs.push_back(inputs[static_cast<std::size_t>(optional.rope_freqs)]);
    const std::vector<TensorView> rotated = {i == 0 ? outputs[0] : rotated_k.view()};
    kRotaryEmbedding.reference(rotary_inputs, rotated, attributes);
  }
  const std::vector<TensorView> write_inputs = {rotated_k.view(), inputs[2], inputs[3], inputs[4], inputs[5]};
  write_kv_ref(write_inputs, outputs.subspan(1), attributes);
}

constexpr int kAlias[] = {-1, 3, 4};

}  // namespace

const Operator kRotaryWriteKv = {
    .name = "RotaryWriteKv",
    .doc =
        "q [T, Hq, D], k, v [T, Hkv, D], k_cache, v_cache, slot_mapping [T], positions [T], optional rope_freqs, "
        "q_norm, k_norm -> q normed and rotated, the caches with k likewise and v written",
    .infer = infer,
    .prepare = [](const PrepareContext& context) -> std::unique_ptr<Kernel> {
      return std::make_unique<RotaryWriteKvKernel>(context.isa, context.attributes);
    },
    .reference = reference,
    .cost = cost,
    .alias = kAlias,
};

}  // namespace cairn
