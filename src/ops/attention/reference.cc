#include "ops/attention/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/attention/kv_layout.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

// One layer's keys or values, by (slot, head, dim).
struct Cache {
  TensorView view;
  bool keys;

  std::int64_t index(std::int64_t slot, std::int64_t head, std::int64_t dim) const {
    const std::int64_t block_size = view.dim(2), head_dim = view.dim(3), token = slot % block_size;
    return slot / block_size * view.dim(1) * block_size * head_dim +
           kv_group_offset(head, token, block_size, head_dim) +
           (keys ? k_in_group(token % kKvGroup, dim) : v_in_group(token % kKvGroup, dim, head_dim));
  }
  float get(std::int64_t slot, std::int64_t head, std::int64_t dim) const {
    const std::int64_t i = index(slot, head, dim);
    return view.dtype == DType::bf16 ? bf16_to_f32(view.as<const std::uint16_t>()[i]) : view.as<const float>()[i];
  }
  void set(std::int64_t slot, std::int64_t head, std::int64_t dim, float value) const {
    const std::int64_t i = index(slot, head, dim);
    if (view.dtype == DType::bf16)
      view.as<std::uint16_t>()[i] = f32_to_bf16(value);
    else
      view.as<float>()[i] = value;
  }
};

void attend(const float* q, const Cache& keys, const Cache& values, const std::vector<std::int64_t>& slots,
            std::int64_t head, float scale, float softcap, float* out) {
  const std::int64_t head_dim = keys.view.dim(3);
  std::vector<float> p;
  float maximum = -std::numeric_limits<float>::infinity(), sum = 0;
  for (std::int64_t slot : slots) {
    float score = 0;
    for (std::int64_t d = 0; d < head_dim; ++d) score += q[d] * keys.get(slot, head, d);
    score *= scale;
    p.push_back(softcap > 0 ? softcap * std::tanh(score / softcap) : score);
    maximum = std::max(maximum, p.back());
  }
  if (maximum == -std::numeric_limits<float>::infinity()) maximum = 0;
  for (float& score : p) score = std::exp(score - maximum), sum += score;
  for (std::int64_t d = 0; d < head_dim; ++d) {
    float total = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) total += p[i] * values.get(slots[i], head, d);
    out[d] = sum == 0 ? 0 : total / sum;
  }
}

}  // namespace

void write_kv_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs, const Attributes&) {
  const std::int64_t slots = outputs[0].dim(0) * outputs[0].dim(2);
  for (int which : {0, 1}) {
    const TensorView& source = inputs[static_cast<std::size_t>(which)];
    const Cache cache{outputs[static_cast<std::size_t>(which)], which == 0};
    for (std::int64_t t = 0; t < source.dim(0); ++t) {
      const std::int64_t slot = inputs[4].as<const std::int64_t>()[t];
      if (slot < 0 || slot >= slots) continue;
      for (std::int64_t head = 0; head < source.dim(1); ++head)
        for (std::int64_t d = 0; d < source.dim(2); ++d)
          cache.set(slot, head, d, source.row<const float>(t)[head * source.strides[1] + d]);
    }
  }
}

void paged_attention_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         const Attributes& attributes) {
  const TensorView &q = inputs[0], &tables = inputs[3];
  const Cache keys{inputs[1], true}, values{inputs[2], false};
  const std::int64_t heads = q.dim(1), head_dim = q.dim(2), block_size = keys.view.dim(2),
                     group = heads / keys.view.dim(1);
  const auto scale = static_cast<float>(attributes.get<double>("scale")),
             softcap = static_cast<float>(attributes.get_or<double>("attn_logit_softcapping", 0));
  const auto window = attributes.get_or<std::int64_t>("sliding_window", 0);
  for (std::int64_t s = 0; s < tables.dim(0); ++s) {
    const std::int64_t begin = inputs[4].as<const std::int32_t>()[s], end = inputs[4].as<const std::int32_t>()[s + 1];
    const std::int64_t length = inputs[5].as<const std::int32_t>()[s];
    for (std::int64_t t = begin; t < end; ++t) {
      std::vector<std::int64_t> slots;
      const std::int64_t position = length - end + t;
      for (std::int64_t i = window > 0 ? std::max<std::int64_t>(position - window + 1, 0) : 0; i <= position; ++i)
        slots.push_back(tables.row<const std::int32_t>(s)[i / block_size] * block_size + i % block_size);
      for (std::int64_t h = 0; h < heads; ++h)
        attend(q.row<const float>(t) + h * q.strides[1], keys, values, slots, h / group, scale, softcap,
               outputs[0].row<float>(t) + h * head_dim);
    }
  }
}

}  // namespace cairn
