#include "base/error.h"
#include "ops/attention/attention.h"
#include "ops/attention/kv_cache.h"
#include "ops/attention/kv_row_writer.h"
#include "ops/attention/reference.h"

namespace cairn {
#define X(isa)                             \
  namespace isa {                          \
  extern const WriteKvTable kWriteKvTable; \
  }
CAIRN_FOR_EACH_ISA(X)
#undef X

namespace {

const WriteKvTable& table(Isa isa) {
#define X(name) \
  if (isa == Isa::name) return name::kWriteKvTable;
  CAIRN_FOR_EACH_ISA(X)
#undef X
  return portable::kWriteKvTable;
}

}  // namespace

KvRowWriter::KvRowWriter(Isa isa) : table_(table(isa)) {}

void KvRowWriter::write(Kv which, const float* row, const TensorView& cache, std::int64_t head,
                        std::int64_t slot) const noexcept {
  const std::int64_t block_size = cache.dim(2);
  if (slot < 0 || slot >= cache.dim(0) * block_size) return;
  const KvFormat& format = *find_kv_format(cache.dtype);
  table_.write[static_cast<int>(format.type)][static_cast<int>(which)](
      row, kv_group(cache, slot / block_size, head, slot % block_size), slot % kKvGroup,
      cache.dim(3) - format.scale_elements);
}

namespace {

class WriteKvKernel final : public Kernel {
 public:
  explicit WriteKvKernel(Isa isa) : writer_(isa) {}

  // Neighbouring tokens share cache lines, so a worker takes long runs of tokens of one head.
  void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs, std::byte*, int,
           Worker worker) const noexcept override {
    const std::int64_t tokens = inputs[0].dim(0), heads = inputs[0].dim(1);
    const auto* slot_mapping = inputs[4].as<const std::int64_t>();
    Range range = share(2 * heads * tokens, worker, 16);
    for (std::int64_t unit = range.begin; unit < range.end; ++unit) {
      const std::int64_t t = unit % tokens, head = unit / tokens % heads, which = unit / tokens / heads;
      const TensorView& source = inputs[static_cast<std::size_t>(which)];
      writer_.write(which == 0 ? Kv::key : Kv::value, source.row<const float>(t) + head * source.strides[1],
                    outputs[static_cast<std::size_t>(which)], head, slot_mapping[t]);
    }
  }

 private:
  KvRowWriter writer_;
};

std::vector<ValueType> infer(const InferContext& context) {
  expect_inputs("WriteKv", context, 5, 5);
  const std::int64_t head_dim = check_caches("WriteKv", context, 2);
  const ValueType& cache = context.inputs[2];
  for (std::size_t i : {0, 1}) {
    expect_rank("WriteKv", context, i, 3);
    expect_dtype("WriteKv", context, i, {DType::f32});
    expect_same_dim("WriteKv", context.inputs[i].shape[0],
                    context.inputs[4].shape.empty() ? Dim(-1) : context.inputs[4].shape[0],
                    "the tokens of k, v and slot_mapping");
    expect_same_dim("WriteKv", context.inputs[i].shape[1], cache.shape[1], "the heads of k, v and the cache");
    expect_same_dim("WriteKv", context.inputs[i].shape[2], Dim(head_dim), "the head dimensions of k, v and the cache");
  }
  expect_rank("WriteKv", context, 4, 1);
  expect_dtype("WriteKv", context, 4, {DType::i64});
  return {cache, cache};
}

Cost cost(std::span<const TensorView> inputs, std::span<const TensorView>, const Attributes&) {
  const std::span<const TensorView> tokens = inputs.first(2);
  Cost cost = bytes_of(tokens, {});
  const TensorView &k = inputs[0], &cache = inputs[2];
  cost.bytes += 2 * static_cast<double>(row_bytes(cache.dtype, k.dim(0) * cache.dim(1) * cache.dim(3)));
  return cost;
}

constexpr int kAlias[] = {2, 3};

}  // namespace

const Operator kWriteKv = {
    .name = "WriteKv",
    .doc =
        "k [T, Hkv, D], v [T, Hkv, D], k_cache, v_cache, slot_mapping i64 [T] -> k_cache, v_cache with the tokens "
        "written",
    .infer = infer,
    .prepare = [](const PrepareContext& context) -> std::unique_ptr<Kernel> {
      return std::make_unique<WriteKvKernel>(context.isa);
    },
    .reference = write_kv_ref,
    .cost = cost,
    .alias = kAlias,
};

}  // namespace cairn
