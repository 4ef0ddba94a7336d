// Paged attention at the shapes of real models: decode against the read bandwidth probed beside it, prefill against the
// f32 multiply-add peak. Usage: attention_bench [threads] [filter]
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>

#include "measure/machine_limits.h"
#include "ops/attention/attention.h"
#include "runtime/arena.h"
#include "tensor/float_formats.h"
#include "tensor/view.h"

namespace cairn::bench {
namespace {

struct Model {
  const char* name;
  std::int64_t q_heads, kv_heads, head_dim;
};
constexpr Model kModels[] = {{"SmolLM2-135M", 9, 3, 64}, {"Qwen3-0.6B/1.7B", 16, 8, 128}, {"Llama-3.2-1B", 32, 8, 64}};
constexpr std::int64_t kBlock = 16;

// A batch of `sequences` of `length` tokens with `query` new ones each, over enough caches that none stays in L3.
class Case {
 public:
  Case(const Model& model, std::int64_t sequences, std::int64_t query, std::int64_t length, ThreadTeam& team, Isa isa,
       std::int64_t spread_bytes)
      : team_(team), query_(query), length_(length), sequences_(sequences), model_(model) {
    const std::int64_t blocks_per_sequence = (length + kBlock - 1) / kBlock, blocks = sequences * blocks_per_sequence;
    const Shape cache = {blocks, model.kv_heads, kBlock, model.head_dim};
    const std::int64_t copies = std::max<std::int64_t>(1, spread_bytes / (2 * byte_size(DType::bf16, cache)));
    std::mt19937 random(1);
    const std::int64_t cache_bytes = byte_size(DType::bf16, cache);
    arena_ = Arena("benchmark caches",
                   static_cast<std::size_t>(2 * copies * (cache_bytes + 64)));  // on huge pages, as the engine's
    for (std::int64_t i = 0; i < 2 * copies; ++i) {
      caches_.push_back(make_view(arena_.allocate(static_cast<std::size_t>(cache_bytes)), DType::bf16, cache));
      auto* data = caches_.back().as<std::uint16_t>();
      for (std::int64_t e = 0; e < cache.elements(); ++e)
        data[e] = static_cast<std::uint16_t>(0x3F80 ^ (random() & 0x80FF));
    }
    q_ = Tensor(DType::f32, {sequences * query, model.q_heads, model.head_dim});
    for (std::int64_t i = 0; i < q_.view().shape.elements(); ++i)
      q_.as<float>()[i] = 0.1f * static_cast<float>(random() % 16);
    out_ = Tensor(DType::f32, {sequences * query, model.q_heads * model.head_dim});
    tables_ = Tensor(DType::i32, {sequences, blocks_per_sequence});
    std::vector<std::int32_t> order(static_cast<std::size_t>(blocks));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    std::copy(order.begin(), order.end(), tables_.as<std::int32_t>());
    starts_ = Tensor(DType::i32, {sequences + 1}), lengths_ = Tensor(DType::i32, {sequences});
    for (std::int64_t s = 0; s < sequences; ++s) {
      starts_.as<std::int32_t>()[s + 1] = static_cast<std::int32_t>((s + 1) * query);
      lengths_.as<std::int32_t>()[s] = static_cast<std::int32_t>(length);
    }
    const Attributes attributes = {{"scale", 1 / std::sqrt(static_cast<double>(model.head_dim))},
                                   {"products", std::string("bf16")}};
    std::vector<ValueType> types;
    for (const TensorView& view : inputs(0)) types.push_back({view.dtype, {}});
    kernel_ = kPagedAttention.prepare({types, {}, attributes, isa});
    workspace_ = Tensor(DType::u8, {kernel_->workspace_bytes(inputs(0), team.size()) + 64});
  }

  double seconds(std::size_t run) {
    const std::vector<TensorView> in = inputs(run), out = {out_.view()};
    return seconds_of([&] {
      team_.run([&](int member) {
        for (int phase = 0; phase < kernel_->phases(); ++phase) {
          kernel_->run(in, out, workspace_.as<std::byte>(), phase, {member, team_.size()});
          team_.barrier();
        }
      });
    });
  }
  double kv_bytes() const {
    return static_cast<double>(sequences_ * length_ * model_.kv_heads * model_.head_dim) * 2 * sizeof(std::uint16_t);
  }
  double flops() const {
    double pairs = 0;
    for (std::int64_t i = length_ - query_; i < length_; ++i) pairs += static_cast<double>(i + 1);
    return 4 * pairs * static_cast<double>(sequences_ * model_.q_heads * model_.head_dim);
  }

 private:
  std::vector<TensorView> inputs(std::size_t run) const {
    const std::size_t copy = run % (caches_.size() / 2);
    return {q_.view(), caches_[2 * copy], caches_[2 * copy + 1], tables_.view(), starts_.view(), lengths_.view()};
  }

  ThreadTeam& team_;
  std::int64_t query_, length_, sequences_;
  Model model_;
  Arena arena_;
  std::vector<TensorView> caches_;
  Tensor q_, out_, tables_, starts_, lengths_, workspace_;
  std::unique_ptr<Kernel> kernel_;
};

void decode(const Model& model, std::int64_t sequences, std::int64_t length, ThreadTeam& team, Isa isa,
            const MemoryBandwidth& probe) {
  Case c(model, sequences, 1, length, team, isa, 256 << 20);
  // Timings and probes alternate; the best of each counts, because other work on the machine only ever slows down.
  double bandwidth = 0, seconds = 1e30;
  for (std::size_t round = 0; round < 5; ++round) {
    bandwidth = std::max(bandwidth, probe.read(team, isa));
    for (std::size_t i = 0; i < 16; ++i) seconds = std::min(seconds, c.seconds(16 * round + i));
  }
  const double rate = c.kv_bytes() / seconds;
  fmt::print(
      "decode  {:<16} {:>3} x {:>6} tokens, {} threads: {:6.1f} GB/s of KV, {:4.0f} % of {:4.1f} GB/s read, {:8.1f} "
      "us\n",
      model.name, sequences, length, team.size(), rate / 1e9, 100 * rate / bandwidth, bandwidth / 1e9, 1e6 * seconds);
}

void prefill(const Model& model, std::int64_t tokens, ThreadTeam& team, Isa isa) {
  Case c(model, 1, tokens, tokens, team, isa, 0);
  double peak = 0, seconds = 1e30;
  for (std::size_t round = 0; round < 10; ++round) {
    peak = std::max(peak, measure_peak(team, isa, Arithmetic::f32));
    seconds = std::min(seconds, c.seconds(round));
  }
  fmt::print("prefill {:<16} {:>6} tokens, {} threads: {:6.1f} GFLOP/s, {:4.0f} % of f32 peak, {:8.1f} us\n",
             model.name, tokens, team.size(), c.flops() / seconds / 1e9, 100 * c.flops() / seconds / peak,
             1e6 * seconds);
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  using namespace cairn;
  using namespace cairn::bench;
  const int threads = argc > 1 ? std::stoi(argv[1]) : available_processors();
  const std::string filter = argc > 2 ? argv[2] : "";
  const Isa isa = choose_isa();
  ThreadTeam team(threads);
  fmt::print("{}, {} threads, f32 peak {:.0f} GFLOP/s\n", to_string(isa), threads, measure_peak(team, isa, Arithmetic::f32) / 1e9);
  if (filter != "prefill") {
    MemoryBandwidth probe;
    for (const Model& model : kModels)
      for (std::int64_t length : {1024, 4096, 32768}) decode(model, 1, length, team, isa, probe);
    decode(kModels[1], 32, 192, team, isa, probe);
    decode(kModels[1], 32, 1024, team, isa, probe);
  }
  if (filter != "decode")
    for (const Model& model : kModels)
      for (std::int64_t tokens : {512, 2048}) prefill(model, tokens, team, isa);
}
