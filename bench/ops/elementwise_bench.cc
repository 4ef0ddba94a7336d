// Norms, rotary embedding, SwiGLU and cache writes: bytes moved a second against the copy rate of data of the same
// size, one thread. Usage: elementwise_bench
#include <fmt/format.h>

#include <cstring>

#include "bench_inputs.h"
#include "measure/machine_limits.h"
#include "ops/registry/registry.h"
#include "tensor/view.h"

namespace cairn::bench {
namespace {

Tensor filled(DType dtype, Shape shape) {
  Tensor tensor(dtype, shape);
  if (dtype == DType::f32)
    for (std::int64_t i = 0; i < shape.elements(); ++i) tensor.as<float>()[i] = 0.01f * static_cast<float>(i % 100);
  if (dtype == DType::i32)
    for (std::int64_t i = 0; i < shape.elements(); ++i) tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(i);
  if (dtype == DType::i64)
    for (std::int64_t i = 0; i < shape.elements(); ++i) tensor.as<std::int64_t>()[i] = i;
  return tensor;
}

void time_operator(const char* name, std::vector<Tensor> inputs, const Attributes& attributes, double bytes) {
  const OperatorRegistry operators = builtin_operators();
  const Operator& op = operators.find(name);
  std::vector<ValueType> types;
  std::vector<TensorView> in, out;
  for (const Tensor& input : inputs) types.push_back(type_of(input.view())), in.push_back(input.view());
  std::vector<Tensor> outputs;
  const std::vector<ValueType> output_types = op.infer({types, attributes});
  for (const ValueType& type : output_types) {
    std::vector<std::int64_t> dims;
    for (const Dim& dim : type.shape) dims.push_back(dim.value);
    outputs.emplace_back(type.dtype, Shape(dims));
    out.push_back(outputs.back().view());
  }
  for (std::size_t i = 0; i < op.alias.size(); ++i)
    if (op.alias[i] >= 0) out[i] = in[static_cast<std::size_t>(op.alias[i])];
  auto kernel = op.prepare({types, output_types, attributes, choose_isa()});
  Tensor workspace(DType::u8, {kernel->workspace_bytes(in, 1)});
  const double seconds = best_seconds(300, [&] { kernel->run(in, out, workspace.as<std::byte>(), 0, {0, 1}); });
  std::vector<char> from(static_cast<std::size_t>(bytes / 2), 1), to(from.size());
  const double copying = best_seconds(300, [&] { std::memcpy(to.data(), from.data(), from.size()); });
  fmt::print("{:<16} {:>5} tokens: {:8.2f} us, {:6.1f} GB/s, {:4.0f} % of copying as much\n", name, in[0].dim(0),
             1e6 * seconds, bytes / seconds / 1e9, 100 * copying / seconds);
}

}  // namespace
}  // namespace cairn::bench

int main() {
  using namespace cairn;
  using namespace cairn::bench;
  for (std::int64_t tokens : {1, 64, 512}) {
    const auto t = static_cast<double>(tokens);
    const Attributes eps = {{"eps", 1e-5}};
    const Attributes rope = {{"theta", 1e4}, {"rotary_dim", std::int64_t{128}}, {"interleaved", std::int64_t{0}}};
    const Attributes pairs = {{"theta", 1e4}, {"rotary_dim", std::int64_t{64}}, {"interleaved", std::int64_t{1}}};
    auto f32 = [](Shape shape) { return filled(DType::f32, shape); };
    auto list = [](auto... tensors) {
      std::vector<Tensor> all;
      (all.push_back(std::move(tensors)), ...);
      return all;
    };
    time_operator("RmsNorm", list(f32({tokens, 1024}), f32({1024})), eps, t * 1024 * 8);
    time_operator("AddRmsNorm", list(f32({tokens, 1024}), f32({tokens, 1024}), f32({1024})), eps, t * 1024 * 16);
    time_operator("RotaryEmbedding", list(f32({tokens, 16, 128}), filled(DType::i32, {tokens})), rope, t * 2048 * 8);
    time_operator("RotaryEmbedding", list(f32({tokens, 9, 64}), filled(DType::i32, {tokens})), pairs, t * 576 * 8);
    time_operator("SwiGlu", list(f32({tokens, 3072}), f32({tokens, 3072})), {}, t * 3072 * 12);
    time_operator("WriteKv",
                  list(f32({tokens, 8, 128}), f32({tokens, 8, 128}), filled(DType::bf16, {64, 8, 16, 128}),
                       filled(DType::bf16, {64, 8, 16, 128}), filled(DType::i64, {tokens})),
                  {}, t * 2 * 1024 * 6);
  }
}
