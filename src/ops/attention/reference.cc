#include "ops/attention/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/attention/kv_cache.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

// One layer's keys or values, by (slot, head, dim).
class Cache {
 public:
  Cache(const TensorView& view, bool keys)
      : view_(view),
        format_(*find_kv_format(view.dtype)),
        head_dim_(kv_head_dim(view.dtype, view.dim(3))),
        keys_(keys) {}

  std::int64_t heads() const { return view_.dim(1); }
  std::int64_t block_size() const { return view_.dim(2); }
  std::int64_t head_dim() const { return head_dim_; }

  float get(std::int64_t slot, std::int64_t head, std::int64_t dim) const {
    const std::byte* p = at(slot, head, dim);
    if (view_.dtype == DType::i8) return *scale(slot, head) * static_cast<float>(std::to_integer<std::int8_t>(*p));
    float value;
    decode_row(view_.dtype, p, {&value, 1});
    return value;
  }

  void set(std::int64_t slot, std::int64_t head, const float* row) const {
    if (view_.dtype == DType::i8) return set_i8(slot, head, row);
    for (std::int64_t d = 0; d < head_dim_; ++d) {
      std::byte* p = at(slot, head, d);
      if (view_.dtype == DType::f8_e4m3)
        *p = std::byte{f32_to_e4m3(std::clamp(row[d], -448.0f, 448.0f))};
      else
        encode_row(view_.dtype, {row + d, 1}, p);
    }
  }

 private:
  std::byte* group(std::int64_t slot, std::int64_t head) const {
    return kv_group(view_, slot / block_size(), head, slot % block_size());
  }
  std::byte* at(std::int64_t slot, std::int64_t head, std::int64_t dim) const {
    const std::int64_t token = slot % kKvGroup;
    return group(slot, head) + row_bytes(view_.dtype, keys_ ? k_in_group(token, dim, format_.pairs)
                                                            : v_in_group(token, dim, head_dim_, format_.pairs));
  }
  float* scale(std::int64_t slot, std::int64_t head) const {
    return reinterpret_cast<float*>(group(slot, head) + kKvGroup * head_dim_) + slot % kKvGroup;
  }
  void set_i8(std::int64_t slot, std::int64_t head, const float* row) const {
    float largest = 0;
    bool finite = true;
    for (std::int64_t d = 0; d < head_dim_; ++d)
      largest = std::max(largest, std::abs(row[d])), finite = finite && std::isfinite(row[d]);
    const bool regular = finite && largest >= 0x1p-100f;
    *scale(slot, head) = regular ? largest / 127 : finite ? 0 : std::numeric_limits<float>::quiet_NaN();
    for (std::int64_t d = 0; d < head_dim_; ++d)
      *at(slot, head, d) =
          static_cast<std::byte>(static_cast<std::int8_t>(regular ? std::nearbyint(row[d] * (127 / largest)) : 0));
  }

  TensorView view_;
  const KvFormat& format_;
  std::int64_t head_dim_;
  bool keys_;
};

void attend(const float* q, const Cache& keys, const Cache& values, const std::vector<std::int64_t>& slots,
            std::int64_t head, float scale, float softcap, float* out) {
  const std::int64_t head_dim = keys.head_dim();
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
        cache.set(slot, head, source.row<const float>(t) + head * source.strides[1]);
    }
  }
}

void paged_attention_ref(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         const Attributes& attributes) {
  const TensorView &q = inputs[0], &tables = inputs[3];
  const Cache keys{inputs[1], true}, values{inputs[2], false};
  const std::int64_t heads = q.dim(1), head_dim = q.dim(2), block_size = keys.block_size(),
                     group = heads / keys.heads();
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
