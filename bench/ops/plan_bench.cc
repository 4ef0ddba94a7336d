// What a step of a plan costs beyond its kernel: plans of many equal steps that do nothing, and of steps with little work,
// against the same kernels called one after the other. Usage: plan_bench [threads] [steps]
#include <fmt/format.h>

#include <string>
#include <vector>

#include "graph/plan.h"
#include "measure/machine_limits.h"
#include "ops/registry/registry.h"

namespace cairn::bench {
namespace {

class NothingKernel final : public Kernel {
 public:
  void run(std::span<const TensorView>, std::span<const TensorView>, std::byte*, int, Worker) const noexcept override {}
};

const Operator kNothing = {
    .name = "Nothing",
    .doc = "x -> a value of x's type, left unwritten",
    .infer = [](const InferContext& context) -> std::vector<ValueType> { return {context.inputs[0]}; },
    .prepare = [](const PrepareContext&) -> std::unique_ptr<Kernel> { return std::make_unique<NothingKernel>(); },
};

struct Case {
  const char* what;
  const Operator& op;
  std::int64_t rows, columns;
  std::int64_t other_inputs;  // further inputs of x's shape
  Attributes attributes;
};

ValueType row_type(std::int64_t rows, std::int64_t columns) { return {DType::f32, {rows, columns}}; }

// Seconds of the kernel alone, on this thread.
double kernel_seconds(const Case& c, Isa isa) {
  std::vector<Tensor> tensors;
  std::vector<ValueType> types;
  for (std::int64_t i = 0; i <= c.other_inputs; ++i) {
    tensors.emplace_back(DType::f32, Shape{c.rows, c.columns});
    types.push_back(row_type(c.rows, c.columns));
  }
  const std::vector<ValueType> out_types = c.op.infer({types, c.attributes});
  tensors.emplace_back(DType::f32, Shape{c.rows, c.columns});
  std::vector<TensorView> inputs;
  for (const Tensor& tensor : tensors) inputs.push_back(tensor.view());
  const std::vector<TensorView> outputs = {inputs.back()};
  inputs.pop_back();
  auto kernel = c.op.prepare({types, out_types, c.attributes, isa});
  return best_seconds(300, [&] {
           for (int i = 0; i < 100; ++i) kernel->run(inputs, outputs, nullptr, 0, {0, 1});
         }) / 100;
}

void time_case(const Case& c, ThreadTeam& team, Isa isa, int steps) {
  Graph graph("chain");
  ValueId x = graph.add_input("x", row_type(c.rows, c.columns)), last = x;
  for (int i = 0; i < steps; ++i) {
    std::vector<ValueId> inputs(static_cast<std::size_t>(1 + c.other_inputs), last);
    last = graph.add1(c.op, fmt::format("step{}", i), std::move(inputs), c.attributes);
  }
  graph.add_output("y", last);
  const Weights weights(graph, team);
  Plan plan(std::move(graph), weights, isa, team);
  Tensor input(DType::f32, {c.rows, c.columns});
  const std::vector<TensorView> inputs = {input.view()};
  const double step = best_seconds(1000, [&] { plan.run(inputs); }) / steps, kernel = kernel_seconds(c, isa);
  fmt::print("{:<28} {:8.3f} us a step, kernel alone {:8.3f} us on one thread\n", c.what, 1e6 * step, 1e6 * kernel);
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  using namespace cairn;
  using namespace cairn::bench;
  const int threads = argc > 1 ? std::stoi(argv[1]) : available_processors(), steps = argc > 2 ? std::stoi(argv[2]) : 300;
  const OperatorRegistry operators = builtin_operators();
  ThreadTeam team(threads);
  fmt::print("{} threads, {} steps a run\n", threads, steps);
  const Case cases[] = {
      {"nothing", kNothing, 1, 16, 0, {}},
      {"Add of a row of 576", operators.find("Add"), 1, 576, 1, {}},
      {"SwiGlu of a row of 1536", operators.find("SwiGlu"), 1, 1536, 1, {}},
      {"SwiGlu of 16 rows of 1536", operators.find("SwiGlu"), 16, 1536, 1, {}},
  };
  for (const Case& c : cases) time_case(c, team, choose_isa(), steps);
}
