// GroupedMatMul at the shape of Qwen3-30B-A3B's experts (gate and up: 128 of [768, 2048], 8 a token): bytes of the
// experts that have tokens, against the read bandwidth probed beside it. Usage: grouped_matmul_bench [threads] [format]
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "bench_inputs.h"
#include "measure/machine_limits.h"
#include "ops/matmul/grouped_matmul.h"

namespace cairn::bench {
namespace {

constexpr std::int64_t kExperts = 128, kExpertsPerToken = 8, kOutputs = 768, kColumns = 2048;

// Rows of every token's experts, sorted: offsets [kExperts + 1].
Tensor routed(std::mt19937& random, std::int64_t tokens) {
  Tensor offsets(DType::i32, {kExperts + 1});
  std::vector<std::int32_t> counts(kExperts);
  for (std::int64_t t = 0; t < tokens; ++t) {
    std::set<std::uint32_t> chosen;
    while (chosen.size() < kExpertsPerToken) chosen.insert(static_cast<std::uint32_t>(random() % kExperts));
    for (std::uint32_t expert : chosen) ++counts[expert];
  }
  for (std::size_t e = 0; e < counts.size(); ++e)
    offsets.as<std::int32_t>()[e + 1] = offsets.as<std::int32_t>()[e] + counts[e];
  return offsets;
}

class Experts {
 public:
  Experts(DType dtype, ThreadTeam& team, Isa isa) : dtype_(dtype), team_(team), isa_(isa) {
    const std::int64_t bytes = packed_bytes(dtype, kOutputs, kColumns);
    arena_ = Arena("experts", static_cast<std::size_t>(2 * kExperts * (bytes + 64)));
    std::mt19937 random(1);
    for (std::int64_t i = 0; i < 2 * kExperts; ++i)
      weights_.push_back(random_packed(random, arena_, dtype, kOutputs, kColumns));
  }

  void measure(std::int64_t tokens, const MemoryBandwidth& probe) {
    std::mt19937 random(2);
    const std::int64_t rows = tokens * kExpertsPerToken;
    const Tensor x = random_activations(random, dtype_, isa_, rows, kColumns);
    Tensor out(DType::f32, {rows, 2 * kOutputs});
    std::vector<TensorView> inputs = {x.view(), {}};
    const Tensor first = routed(random, tokens);
    inputs[1] = first.view();
    inputs.insert(inputs.end(), weights_.begin(), weights_.end());
    std::vector<ValueType> types;
    for (const TensorView& view : inputs) types.push_back(type_of(view));
    const std::vector<ValueType> out_types = {type_of(out.view())};
    const std::vector<TensorView> outputs = {out.view()};
    const Attributes attributes = {{"experts", kExperts}};
    auto kernel = kGroupedMatMul.prepare({types, out_types, attributes, isa_});
    Tensor workspace(DType::u8, {kernel->workspace_bytes(inputs, team_.size()) + 64});
    double rate = 0, share = 0, bandwidth = 0, total = 0, best = 1e30;
    for (int round = 0; round < 12; ++round) {
      const Tensor offsets = routed(random, tokens);  // other experts than the last time's, which may be in a cache
      inputs[1] = offsets.view();
      if (round % 4 == 0) bandwidth = probe.read(team_, isa_);
      const double seconds = seconds_of([&] {
        team_.run([&](int member) {
          kernel->run(inputs, outputs, workspace.as<std::byte>(), 0, {member, team_.size()});
        });
      });
      const double bytes = kGroupedMatMul.cost(inputs, outputs, attributes).bytes;
      if (bytes / seconds / bandwidth > share) share = bytes / seconds / bandwidth, rate = bytes / seconds;
      best = std::min(best, seconds), total = bytes;
    }
    const double operations = 4.0 * static_cast<double>(rows * kOutputs * kColumns);
    fmt::print("{:<11} {:>4} tokens  {:7.1f} MB  {:8.1f} us  {:6.1f} GB/s, {:3.0f} % of read  {:7.1f} GOP/s\n",
               name(dtype_), tokens, total / 1e6, 1e6 * best, rate / 1e9, 100 * share, operations / best / 1e9);
  }

 private:
  DType dtype_;
  ThreadTeam& team_;
  Isa isa_;
  Arena arena_;
  std::vector<TensorView> weights_;
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  using namespace cairn;
  using namespace cairn::bench;
  const int threads = argc > 1 ? std::stoi(argv[1]) : available_processors();
  const std::string format = argc > 2 ? argv[2] : "";
  const Isa isa = choose_isa();
  ThreadTeam team(threads);
  const MemoryBandwidth probe(256 << 20);
  for (DType dtype : {DType::bf16, DType::q8_0, DType::f8_channel, DType::q4_0, DType::i4_f16_g128}) {
    if (!format.empty() && format != name(dtype)) continue;
    Experts experts(dtype, team, isa);
    for (std::int64_t tokens : {1, 4, 16, 64, 512}) experts.measure(tokens, probe);
  }
}
