#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "graph/graph.h"
#include "graph/memory_plan.h"
#include "graph/passes.h"
#include "graph/print.h"
#include "ops/registry/registry.h"

namespace cairn {
namespace {

const Tensor& weight(std::int64_t n, std::int64_t k) {
  static std::vector<Tensor> tensors;
  tensors.reserve(100);
  tensors.emplace_back(DType::f32, n == 0 ? Shape{k} : Shape{n, k});
  return tensors.back();
}

// x -> norm -> (gate, up) -> swiglu -> down -> + x -> norm
Graph small_mlp(const OperatorRegistry& ops) {
  Graph graph("mlp");
  Dim tokens = graph.add_symbol("tokens", 128);
  ValueId x = graph.add_input("x", {DType::f32, {tokens, 64}});
  ValueId n1 = graph.add_weight("n1", weight(0, 64).view());
  ValueId h = graph.add1(ops.find("RmsNorm"), "norm1", {x, n1}, {{"eps", 1e-5}});
  ValueId gate = graph.add1(ops.find("MatMul"), "mlp.gate", {h, graph.add_weight("gate", weight(96, 64).view())});
  ValueId up = graph.add1(ops.find("MatMul"), "mlp.up", {h, graph.add_weight("up", weight(96, 64).view())});
  ValueId act = graph.add1(ops.find("SwiGlu"), "mlp.act", {gate, up});
  ValueId down = graph.add1(ops.find("MatMul"), "mlp.down", {act, graph.add_weight("down", weight(64, 96).view())});
  ValueId sum = graph.add1(ops.find("Add"), "sum", {down, x});
  ValueId out = graph.add1(ops.find("RmsNorm"), "norm2", {sum, n1}, {{"eps", 1e-5}});
  graph.add_output("out", out);
  graph.add_output("sum", sum);
  return graph;
}

std::vector<std::string_view> op_names(const Graph& graph) {
  std::vector<std::string_view> names;
  for (const Node& node : graph.nodes()) names.push_back(node.op->name);
  return names;
}

TEST(Graph, ShapeErrorsNameTheNodeAndItsInputs) {
  OperatorRegistry ops = builtin_operators();
  Graph graph("bad");
  ValueId x = graph.add_input("x", {DType::f32, {graph.add_symbol("tokens", 8), 64}});
  ValueId w = graph.add_weight("w", weight(32, 48).view());
  try {
    graph.add(ops.find("MatMul"), "layers.0.q_proj", {x, w});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("layers.0.q_proj"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("48"), std::string::npos);
  }
}

TEST(Graph, UnknownOperatorsSuggestTheNearest) {
  try {
    builtin_operators().find("MatMull");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("MatMul"), std::string::npos);
  }
}

TEST(Passes, MergeMatmulsJoinsThoseOfOneInputAndSplitsTheResult) {
  OperatorRegistry ops = builtin_operators();
  Graph merged = merge_matmuls(small_mlp(ops), {ops, Isa::portable});
  EXPECT_EQ(op_names(merged), (std::vector<std::string_view>{"RmsNorm", "MatMul", "Split", "SwiGlu", "MatMul", "Add", "RmsNorm"}));
  EXPECT_EQ(merged.node(1).name, "mlp.gate+up");
  EXPECT_EQ(merged.node(1).inputs.size(), 3u);
}

TEST(Passes, GateAndUpAreMultipliedAndJoinedInOneNode) {
  OperatorRegistry ops = builtin_operators();
  Graph fused = fuse_swiglu(small_mlp(ops), {ops, Isa::portable});
  EXPECT_EQ(op_names(fused), (std::vector<std::string_view>{"RmsNorm", "MatMulSwiGlu", "MatMul", "Add", "RmsNorm"}));
  EXPECT_EQ(fused.node(1).name, "mlp.gate+up");
  Graph packed = prepack(fused, {ops, Isa::portable});
  EXPECT_EQ(packed.value(packed.node(1).inputs[2]).type.layout, Layout::panel16);
}

TEST(Passes, AddAndNormBecomeOneNodeThatKeepsTheSum) {
  OperatorRegistry ops = builtin_operators();
  Graph fused = fuse_add_rms_norm(small_mlp(ops), {ops, Isa::portable});
  EXPECT_EQ(op_names(fused), (std::vector<std::string_view>{"RmsNorm", "MatMul", "MatMul", "SwiGlu", "MatMul", "AddRmsNorm"}));
  EXPECT_EQ(fused.outputs()[1].value, fused.node(5).outputs[1]);
}

TEST(Passes, AMatMulTakesTheResidualThatIsAddedToIt) {
  OperatorRegistry ops = builtin_operators();
  Graph fused = fuse_residual(small_mlp(ops), {ops, Isa::portable});
  EXPECT_EQ(op_names(fused), (std::vector<std::string_view>{"RmsNorm", "MatMul", "MatMul", "SwiGlu", "MatMul", "RmsNorm"}));
  EXPECT_EQ(fused.node(4).name, "mlp.down");
  EXPECT_EQ(fused.node(4).inputs[2], fused.inputs()[0]);
  EXPECT_EQ(fused.outputs()[1].value, fused.node(4).outputs[0]);
}

TEST(Passes, AProductThatOthersReadOrThatHasABiasKeepsItsAdd) {
  OperatorRegistry ops = builtin_operators();
  Graph graph("kept");
  ValueId x = graph.add_input("x", {DType::f32, {graph.add_symbol("tokens", 8), 64}});
  ValueId y = graph.add1(ops.find("MatMul"), "y", {x, graph.add_weight("w", weight(64, 64).view())});
  ValueId biased = graph.add1(ops.find("MatMul"), "biased", {x, graph.add_weight("v", weight(64, 64).view())});
  biased = graph.add1(ops.find("Add"), "bias", {biased, graph.add_weight("b", weight(0, 64).view())});
  graph.add_output("sum", graph.add1(ops.find("Add"), "sum", {y, x}));
  graph.add_output("other", graph.add1(ops.find("Add"), "other", {biased, y}));
  EXPECT_EQ(op_names(fuse_residual(graph, {ops, Isa::portable})), op_names(graph));
}

TEST(Passes, NormsAndActivationsConvertTheirOnlyReadersInput) {
  OperatorRegistry ops = builtin_operators();
  const Isa isa = Isa::portable;
  static const Tensor matrix(DType::q8_0, {64, 64});
  Graph graph("converting");
  ValueId x = graph.add_input("x", {DType::f32, {graph.add_symbol("tokens", 8), 64}});
  ValueId norm = graph.add_weight("norm", weight(0, 64).view());
  auto matmul = [&](ValueId in, const char* name) {
    return graph.add1(ops.find("MatMul"), name, {in, graph.add_weight(name, matrix.view())});
  };
  ValueId h = graph.add1(ops.find("RmsNorm"), "n1", {x, norm}, {{"eps", 1e-5}});
  ValueId act = graph.add1(ops.find("SwiGlu"), "act", {matmul(h, "a"), matmul(h, "b")});
  ValueId kept = graph.add1(ops.find("RmsNorm"), "n2", {matmul(act, "c"), norm}, {{"eps", 1e-5}});
  graph.add_output("y", matmul(kept, "d"));
  graph.add_output("kept", kept);
  Graph fused = fuse_convert(prepack(graph, {ops, isa}), {ops, isa});
  EXPECT_EQ(op_names(fused), (std::vector<std::string_view>{"RmsNorm", "MatMul", "MatMul", "SwiGlu", "MatMul", "RmsNorm",
                                                            "QuantizeActivation", "MatMul"}));
  EXPECT_EQ(fused.value(fused.node(0).outputs[0]).type.dtype, DType::a8);
  EXPECT_EQ(fused.value(fused.node(3).outputs[0]).type.dtype, DType::a8);
  EXPECT_EQ(fused.value(fused.node(5).outputs[0]).type.dtype, DType::f32);
}

// q and k rotated (q after a norm where `norms`, k likewise), written and attended to, as the decoders build it.
Graph small_attention(const OperatorRegistry& ops, bool norms, double k_theta) {
  Graph graph("attention");
  const Dim tokens = graph.add_symbol("tokens", 8), seqs = graph.add_symbol("seqs", 2);
  const ValueType cache = {DType::f32, {4, 2, 16, 16}};
  ValueId x = graph.add_input("x", {DType::f32, {tokens, 128}});
  ValueId positions = graph.add_input("positions", {DType::i32, {tokens}});
  ValueId slots = graph.add_input("slots", {DType::i64, {tokens}});
  ValueId starts = graph.add_input("starts", {DType::i32, {graph.add_symbol("bounds", 3)}});
  ValueId lengths = graph.add_input("lengths", {DType::i32, {seqs}});
  ValueId tables = graph.add_input("tables", {DType::i32, {seqs, 2}});
  ValueId k_cache = graph.add_input("k_cache", cache), v_cache = graph.add_input("v_cache", cache);
  std::vector<ValueId> qkv = graph.add(ops.find("Split"), "split", {x}, {{"sizes", std::vector<std::int64_t>{64, 32, 32}}});
  for (std::size_t i = 0; i < 3; ++i)
    qkv[i] = graph.add1(ops.find("Reshape"), "heads", {qkv[i]}, {{"heads", std::int64_t{i == 0 ? 4 : 2}}});
  for (std::size_t i = 0; i < 2; ++i) {
    if (norms)
      qkv[i] = graph.add1(ops.find("RmsNorm"), "norm", {qkv[i], graph.add_weight("norm", weight(0, 16).view())}, {{"eps", 1e-6}});
    qkv[i] = graph.add1(
        ops.find("RotaryEmbedding"), "rotary", {qkv[i], positions},
        {{"theta", i == 0 ? 1e4 : k_theta}, {"rotary_dim", std::int64_t{16}}, {"interleaved", std::int64_t{0}}});
  }
  std::vector<ValueId> caches = graph.add(ops.find("WriteKv"), "kv", {qkv[1], qkv[2], k_cache, v_cache, slots});
  graph.add_output("y", graph.add1(ops.find("PagedAttention"), "attention",
                                   {qkv[0], caches[0], caches[1], tables, starts, lengths}, {{"scale", 0.25}}));
  return graph;
}

TEST(Passes, RotationsOfQAndKAndTheWriteBecomeOneStep) {
  OperatorRegistry ops = builtin_operators();
  for (bool norms : {false, true}) {
    Graph fused = fuse_rotary_write_kv(small_attention(ops, norms, 1e4), {ops, Isa::portable});
    EXPECT_EQ(op_names(fused), (std::vector<std::string_view>{"Split", "Reshape", "Reshape", "Reshape", "RotaryWriteKv",
                                                              "PagedAttention"}));
    EXPECT_EQ(fused.node(5).inputs[0], fused.node(4).outputs[0]);
    EXPECT_EQ(fused.node(4).inputs.size(), norms ? 9u : 7u);
  }
  Graph unlike = fuse_rotary_write_kv(small_attention(ops, false, 5e5), {ops, Isa::portable});
  EXPECT_EQ(op_names(unlike), op_names(small_attention(ops, false, 5e5)));
}

TEST(Passes, PrepackPacksTheWeightsOfExperts) {
  OperatorRegistry ops = builtin_operators();
  Graph graph("experts");
  ValueId x = graph.add_input("x", {DType::f32, {graph.add_symbol("tokens", 128), 64}});
  ValueId offsets = graph.add_input("offsets", {DType::i32, {3}});
  const Tensor quantized(DType::q8_0, {32, 64});
  std::vector<ValueId> inputs = {x, offsets, graph.add_weight("w0", quantized.view()), graph.add_weight("w1", quantized.view())};
  graph.add_output("out", graph.add1(ops.find("GroupedMatMul"), "experts", inputs, {{"experts", std::int64_t{2}}}));
  Graph packed = prepack(graph, {ops, Isa::portable});
  EXPECT_EQ(op_names(packed), (std::vector<std::string_view>{"QuantizeActivation", "GroupedMatMul"}));
  for (const Value& value : packed.values()) {
    if (value.kind == ValueKind::weight) { EXPECT_EQ(value.type.layout, Layout::panel16); }
  }
}

TEST(Passes, PrepackChangesOnlyMatmulWeights) {
  OperatorRegistry ops = builtin_operators();
  Graph packed = prepack(small_mlp(ops), {ops, Isa::portable});
  for (const Value& value : packed.values()) {
    if (value.kind == ValueKind::weight) { EXPECT_EQ(value.type.layout == Layout::panel16, value.name != "n1") << value.name; }
  }
}

TEST(Passes, DeadNodesDisappear) {
  OperatorRegistry ops = builtin_operators();
  Graph graph("dead");
  ValueId x = graph.add_input("x", {DType::f32, {graph.add_symbol("tokens", 8), 64}});
  graph.add1(ops.find("SwiGlu"), "unused", {x, x});
  graph.add_output("y", graph.add1(ops.find("Add"), "used", {x, x}));
  EXPECT_EQ(merge_matmuls(graph, {ops, Isa::portable}).nodes().size(), 1u);
}

TEST(MemoryPlan, LiveBuffersNeverOverlapAndSpaceIsReused) {
  OperatorRegistry ops = builtin_operators();
  Graph graph("chain");
  ValueId x = graph.add_input("x", {DType::f32, {graph.add_symbol("tokens", 100), 64}});
  std::mt19937 random(3);
  std::vector<ValueId> alive = {x};
  for (int i = 0; i < 200; ++i) {
    ValueId a = alive[random() % alive.size()], b = alive[random() % alive.size()];
    alive.push_back(graph.add1(ops.find("Add"), fmt::format("n{}", i), {a, b}));
    if (alive.size() > 6) alive.erase(alive.begin() + static_cast<int>(random() % (alive.size() - 1)));
  }
  graph.add_output("y", alive.back());
  std::vector<std::int64_t> workspace(graph.nodes().size(), 0);
  workspace[10] = 12345;
  MemoryPlan plan = plan_memory(graph, workspace);
  for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& a = plan.buffers[i];
    EXPECT_LE(a.offset + a.bytes, plan.arena_bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const Buffer& b = plan.buffers[j];
      bool together = a.first_step <= b.last_step && b.first_step <= a.last_step;
      bool overlap = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
      EXPECT_FALSE(together && overlap) << a.name << " and " << b.name;
    }
  }
  EXPECT_LT(plan.arena_bytes, plan.unshared_bytes / 5);
  EXPECT_GE(plan.workspace_offset[10], 0);
}

TEST(Print, TextAndPictureNameEveryNode) {
  OperatorRegistry ops = builtin_operators();
  Graph graph = small_mlp(ops);
  std::string text = to_text(graph), svg = to_svg(graph);
  for (const Node& node : graph.nodes()) EXPECT_NE(text.find("%" + node.name), std::string::npos);
  EXPECT_NE(text.find("[tokens, 64]"), std::string::npos);
  EXPECT_EQ(svg.rfind("<svg", 0), 0u);
  EXPECT_NE(svg.find("mlp.gate"), std::string::npos);
}

}  // namespace
}  // namespace cairn
