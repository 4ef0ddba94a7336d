#include "ops/registry/registry.h"

#include <gtest/gtest.h>

#include <set>

namespace cairn {
namespace {

TEST(Registry, EveryEntryIsComplete) {
  OperatorRegistry operators = builtin_operators();
  std::set<std::string_view> names;
  for (const Operator* op : operators.all()) {
    EXPECT_TRUE(names.insert(op->name).second) << op->name << " appears twice";
    EXPECT_FALSE(op->doc.empty()) << op->name;
    EXPECT_NE(op->infer, nullptr) << op->name;
    if (op->view) {
      EXPECT_TRUE(!op->prepare && !op->reference) << op->name << " is a view and has kernels";
    } else {
      EXPECT_TRUE(op->prepare && op->reference) << op->name;
    }
    EXPECT_EQ(&operators.find(op->name), op);
  }
}

TEST(Registry, HasTheOperatorsThatLlamaAndQwen3AreMadeOf) {
  OperatorRegistry operators = builtin_operators();
  for (std::string_view name : {"MatMul", "QuantizeActivation", "Embedding", "RmsNorm", "AddRmsNorm", "RotaryEmbedding",
                                "SwiGlu", "Add", "GatherRows", "Split", "Reshape", "WriteKv", "PagedAttention"})
    EXPECT_EQ(operators.find(name).name, name);
}

}  // namespace
}  // namespace cairn
