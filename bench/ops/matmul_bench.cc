// MatMul at the shapes of real models: a token against the read bandwidth probed beside it, 16 tokens against one, and
// 512 tokens against the peak of the products that the format uses. Usage: matmul_bench [threads] [format] [tokens]
#include <fmt/format.h>

#include <optional>
#include <string>

#include "bench_inputs.h"
#include "measure/machine_limits.h"

namespace cairn::bench {
namespace {

struct WeightShape {
  const char* model;
  std::int64_t n, k;
};
constexpr WeightShape kShapes[] = {{"Qwen3-0.6B gate+up", 6144, 1024},  {"Qwen3-0.6B down", 1024, 3072},
                                   {"Qwen3-0.6B q+k+v", 4096, 1024},    {"Qwen3-0.6B lm_head", 151936, 1024},
                                   {"SmolLM2-135M gate+up", 3072, 576}, {"SmolLM2-135M lm_head", 49152, 576}};
constexpr DType kFormats[] = {DType::f32,         DType::f16,     DType::bf16, DType::q8_0,        DType::i8_channel,
                              DType::f8_channel,  DType::f8_g128, DType::q4_0, DType::i4_bf16_g32, DType::i4_f16_g128,
                              DType::u4_f16_g128, DType::q4_1,    DType::q4_k, DType::q5_k,        DType::q6_k};

// One product over enough copies of the weight that none stays in a cache.
class Case {
 public:
  Case(DType dtype, const WeightShape& shape, std::int64_t tokens, ThreadTeam& team, Isa isa)
      : team_(team), tokens_(tokens), shape_(shape) {
    const std::int64_t bytes = packed_bytes(dtype, shape.n, shape.k);
    const std::int64_t copies = tokens > 16 ? 1 : std::max<std::int64_t>(2, (256 << 20) / bytes);
    arena_ = Arena("benchmark weights", static_cast<std::size_t>(copies * (bytes + 64)));
    std::mt19937 random(1);
    for (std::int64_t i = 0; i < copies; ++i)
      weights_.push_back(random_packed(random, arena_, dtype, shape.n, shape.k));
    x_ = random_activations(random, dtype, isa, tokens, shape.k);
    out_ = Tensor(DType::f32, {tokens, shape.n});
    const std::vector<ValueType> types = {type_of(x_.view()), type_of(weights_[0])}, out_types = {type_of(out_.view())};
    kernel_ = kMatMul.prepare({types, out_types, {}, isa});
    workspace_ = Tensor(DType::u8, {kernel_->workspace_bytes(std::vector{x_.view(), weights_[0]}, team.size()) + 64});
  }

  double seconds() {
    const std::vector<TensorView> in = {x_.view(), weights_[run_++ % weights_.size()]}, out = {out_.view()};
    return seconds_of([&] {
      team_.run([&](int member) { kernel_->run(in, out, workspace_.as<std::byte>(), 0, {member, team_.size()}); });
    });
  }
  double operations() const { return 2.0 * static_cast<double>(tokens_ * shape_.n * shape_.k); }
  double weight_bytes() const { return static_cast<double>(packed_bytes(weights_[0])); }

 private:
  ThreadTeam& team_;
  std::int64_t tokens_;
  WeightShape shape_;
  Arena arena_;
  std::vector<TensorView> weights_;
  Tensor x_, out_, workspace_;
  std::unique_ptr<Kernel> kernel_;
  std::size_t run_ = 0;
};

double peak_of(DType dtype, ThreadTeam& team, Isa isa) {
  const DType activation = activation_dtype(dtype, isa);
  if (activation == DType::a8) return measure_peak(team, isa, Arithmetic::int8);
  return activation == DType::bf16 ? measure_peak(team, isa, Arithmetic::bf16)
                                   : measure_peak(team, isa, Arithmetic::f32);
}

// Timings and probes of the limit alternate; the best of each counts, because other work only ever slows down.
void measure(DType dtype, const WeightShape& shape, std::int64_t tokens, ThreadTeam& team, Isa isa,
             const MemoryBandwidth& probe) {
  Case c(dtype, shape, tokens, team, isa);
  double bandwidth = 0, peak = 0, seconds = 1e30;
  const double budget = 0.25;  // seconds of timing
  for (double spent = 0; spent < budget;) {
    bandwidth = std::max(bandwidth, probe.read(team, isa));
    peak = std::max(peak, peak_of(dtype, team, isa));
    for (int i = 0; i < 8; ++i) {
      const double once = c.seconds();
      spent += once;
      seconds = std::min(seconds, once);
    }
  }
  const double rate = c.operations() / seconds, read = c.weight_bytes() / seconds;
  fmt::print(
      "{:<11} {:<21} T={:<4} {} threads: {:8.1f} GOP/s {:4.0f} % of {:6.0f} peak; {:6.1f} GB/s {:4.0f} % of {:5.1f} "
      "read; {:9.1f} us\n",
      name(dtype), shape.model, tokens, team.size(), rate / 1e9, 100 * rate / peak, peak / 1e9, read / 1e9,
      100 * read / bandwidth, bandwidth / 1e9, 1e6 * seconds);
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  using namespace cairn;
  using namespace cairn::bench;
  const int threads = argc > 1 ? std::stoi(argv[1]) : available_processors();
  const std::string format = argc > 2 ? argv[2] : "";
  const std::int64_t only = argc > 3 ? std::stoll(argv[3]) : 0;
  const Isa isa = choose_isa();
  ThreadTeam team(threads);
  const MemoryBandwidth probe(256 << 20);
  for (DType dtype : kFormats) {
    if (!format.empty() && format != name(dtype)) continue;
    for (const WeightShape& shape : kShapes) {
      if (shape.k % info(dtype).block_elements != 0) continue;
      for (std::int64_t tokens : only > 0 ? std::vector{only} : std::vector<std::int64_t>{1, 16, 512})
        if (tokens * shape.n < 20'000'000) measure(dtype, shape, tokens, team, isa, probe);
    }
  }
}
