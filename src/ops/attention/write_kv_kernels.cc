#include "ops/attention/write_kv_kernels.h"

#include "backends/cpu/vec.h"
#include "ops/attention/kv_elements.h"

namespace cairn::CAIRN_ISA {
namespace {

template <typename Format, Kv kWhich>
void write(const float* row, void* group, std::int64_t token, std::int64_t head_dim) {
  using Stored = typename Format::Stored;
  Stored encoded[kMaxHeadDim];
  const float scale = Format::encode(row, encoded, head_dim);
  auto* elements = static_cast<Stored*>(group);
  if (kWhich == Kv::key && Format::kPairs) {
    for (std::int64_t d = 0; d < head_dim; d += 2)
      __builtin_memcpy(elements + k_in_group(token, d, true), encoded + d, 2 * sizeof(Stored));
  } else if (kWhich == Kv::key) {
    for (std::int64_t d = 0; d < head_dim; ++d) elements[k_in_group(token, d, false)] = encoded[d];
  } else {
    for (std::int64_t d = 0; d < head_dim; d += 16)
      for (std::int64_t lane = 0; lane < 16; ++lane)
        elements[v_in_group(token, d, head_dim, Format::kPairs) + kv_in_operand(lane, 0, Format::kPairs)] =
            encoded[d + lane];
  }
  if (Format::kScaled) __builtin_memcpy(elements + kKvGroup * head_dim + token * 4, &scale, sizeof scale);
}

}  // namespace

extern const WriteKvTable kWriteKvTable;
const WriteKvTable kWriteKvTable = {{{write<F32, Kv::key>, write<F32, Kv::value>},
                                     {write<F16, Kv::key>, write<F16, Kv::value>},
                                     {write<Bf16, Kv::key>, write<Bf16, Kv::value>},
                                     {write<I8, Kv::key>, write<I8, Kv::value>},
                                     {write<F8E4m3, Kv::key>, write<F8E4m3, Kv::value>}}};

}  // namespace cairn::CAIRN_ISA
