#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <random>

#include "base/error.h"
#include "graph/passes.h"
#include "graph/plan.h"
#include "graph/reference_run.h"
#include "ops/registry/registry.h"

namespace cairn {
namespace {

// A graph with shared inputs, a merge, a fusion and views; random weights.
struct Fixture {
  std::deque<Tensor> tensors;
  std::mt19937 random{7};

  Tensor& fill(DType dtype, Shape shape, float scale) {
    Tensor& tensor = tensors.emplace_back(dtype, shape);
    std::normal_distribution<float> normal(0, scale);
    for (std::int64_t i = 0; i < shape.elements(); ++i) tensor.as<float>()[i] = normal(random);
    return tensor;
  }
  Graph mlp(const OperatorRegistry& ops) {
    Graph graph("mlp");
    ValueId x = graph.add_input("x", {DType::f32, {graph.add_symbol("tokens", 64), 64}});
    ValueId norm = graph.add_weight("norm", fill(DType::f32, {64}, 1).view());
    auto matmul = [&](const char* name, ValueId in, std::int64_t n, std::int64_t k) {
      return graph.add1(ops.find("MatMul"), name, {in, graph.add_weight(name, fill(DType::f32, {n, k}, 0.1f).view())});
    };
    ValueId h = graph.add1(ops.find("RmsNorm"), "n1", {x, norm}, {{"eps", 1e-5}});
    ValueId act = graph.add1(ops.find("SwiGlu"), "act", {matmul("gate", h, 96, 64), matmul("up", h, 96, 64)});
    ValueId sum = graph.add1(ops.find("Add"), "sum", {matmul("down", act, 64, 96), x});
    graph.add_output("out", graph.add1(ops.find("RmsNorm"), "n2", {sum, norm}, {{"eps", 1e-5}}));
    return graph;
  }
};

TEST(Plan, AgreesWithTheReferenceForEveryBatchSizeThreadCountAndIsa) {
  OperatorRegistry ops = builtin_operators();
  for (Isa isa : supported_isas()) {
    for (int threads : {1, 2, 3}) {
      Fixture fixture;
      Graph graph = fixture.mlp(ops);
      ThreadTeam team(threads);
      Graph passed = run_passes(graph, {ops, isa});
      Weights weights(passed, team);
      Plan plan(std::move(passed), weights, isa, team);
      for (std::int64_t tokens : {1, 2, 5, 17, 64, 3, 0}) {
        Tensor& x = fixture.fill(DType::f32, {tokens, 64}, 1);
        std::vector<TensorView> inputs = {x.view()};
        plan.run(inputs);
        Tensor expected = std::move(run_reference(graph, inputs)[0]);
        ASSERT_EQ(plan.output(0).shape, expected.view().shape);
        for (std::int64_t i = 0; i < tokens * 64; ++i)
          ASSERT_NEAR(plan.output(0).as<float>()[i], expected.as<float>()[i], 2e-5) << to_string(isa) << " " << threads << " " << tokens;
      }
    }
  }
}

TEST(Plan, ARowHasTheSameBitsInEveryBatch) {
  OperatorRegistry ops = builtin_operators();
  Fixture fixture;
  ThreadTeam team(2);
  Isa isa = supported_isas().back();
  Graph passed = run_passes(fixture.mlp(ops), {ops, isa});
  Weights weights(passed, team);
  Plan plan(std::move(passed), weights, isa, team);
  Tensor& x = fixture.fill(DType::f32, {33, 64}, 1);
  std::vector<TensorView> whole = {x.view()};
  plan.run(whole);
  std::vector<float> all(plan.output(0).as<float>(), plan.output(0).as<float>() + 33 * 64);
  for (std::int64_t row = 0; row < 33; ++row) {
    std::vector<TensorView> one = {make_view(x.as<float>() + row * 64, DType::f32, {1, 64})};
    plan.run(one);
    EXPECT_EQ(std::memcmp(plan.output(0).data, all.data() + row * 64, 64 * sizeof(float)), 0) << row;
  }
}

TEST(Plan, RefusesShapesBeyondWhatWasPlanned) {
  OperatorRegistry ops = builtin_operators();
  Fixture fixture;
  ThreadTeam team(1);
  Graph passed = run_passes(fixture.mlp(ops), {ops, Isa::portable});
  Weights weights(passed, team);
  Plan plan(std::move(passed), weights, Isa::portable, team);
  std::vector<TensorView> inputs = {fixture.fill(DType::f32, {65, 64}, 1).view()};
  EXPECT_THROW(plan.run(inputs), Error);
  inputs[0] = fixture.fill(DType::f32, {4, 32}, 1).view();
  EXPECT_THROW(plan.run(inputs), Error);
}

TEST(Plan, ProfileNamesEveryStep) {
  OperatorRegistry ops = builtin_operators();
  Fixture fixture;
  ThreadTeam team(1);
  Graph passed = run_passes(fixture.mlp(ops), {ops, Isa::portable});
  Weights weights(passed, team);
  Plan plan(std::move(passed), weights, Isa::portable, team);
  plan.set_profiling(true);
  std::vector<TensorView> inputs = {fixture.fill(DType::f32, {8, 64}, 1).view()};
  plan.run(inputs);
  EXPECT_EQ(plan.last_profile().size(), plan.steps());
  for (const StepTime& step : plan.last_profile()) {
    EXPECT_GT(step.kernel_microseconds, 0) << step.name;
    EXPECT_GE(step.microseconds, step.kernel_microseconds) << step.name;
  }
  EXPECT_NE(describe(plan).find("peak activation memory"), std::string::npos);
}

}  // namespace
}  // namespace cairn
