#include "graph/weights.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/error.h"
#include "graph/passes.h"
#include "ops/matmul/packed_weight.h"
#include "ops/registry/registry.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

class WeightsTest : public testing::Test {
 protected:
  WeightsTest()
      : folder_(fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(folder_);
    std::mt19937 random{3};
    std::normal_distribution<float> normal;
    for (Tensor* tensor : {&first_, &second_})
      for (std::int64_t i = 0; i < tensor->view().shape.elements(); ++i) tensor->as<float>()[i] = normal(random);
    ValueId x = graph_.add_input("x", {DType::f32, {graph_.add_symbol("tokens", 4), 24}});
    ValueId h = graph_.add1(ops_.find("MatMul"), "up", {x, graph_.add_weight("up", first_.view())});
    graph_.add_output("out", graph_.add1(ops_.find("MatMul"), "down", {h, graph_.add_weight("down", second_.view())}));
    graph_ = run_passes(graph_, {ops_, supported_isas().front()});
  }
  ~WeightsTest() override { fs::remove_all(folder_); }

  std::unique_ptr<WeightCache> open(const std::string& key = "key", const std::string& model = "model.gguf") {
    return std::make_unique<WeightCache>(folder_, model, key, static_cast<std::size_t>(packed_bytes(graph_)));
  }
  // The packed weights as one string, and whether anything was packed.
  std::string load(std::unique_ptr<WeightCache> cache, bool* packed = nullptr) {
    int calls = 0;
    WeightLoading loading;
    loading.progress = [&](const WeightProgress&) { ++calls; };
    loading.cache = std::move(cache);
    Weights weights(graph_, team_, std::move(loading));
    if (packed) *packed = calls > 0;
    std::string all;
    for (std::size_t v = 0; v < graph_.values().size(); ++v) {
      const Value& value = graph_.values()[v];
      if (value.kind != ValueKind::weight || value.type.layout != Layout::panel16) continue;
      const TensorView& view = weights.view({static_cast<int>(v)});
      EXPECT_EQ(view.layout, Layout::panel16);
      all.append(reinterpret_cast<const char*>(view.data), static_cast<std::size_t>(packed_bytes(value.stored)));
    }
    return all;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    if (fs::exists(folder_))
      for (const auto& entry : fs::directory_iterator(folder_)) found.push_back(entry.path());
    return found;
  }

  fs::path folder_;
  OperatorRegistry ops_ = builtin_operators();
  Tensor first_{DType::f32, {40, 24}}, second_{DType::f32, {24, 40}};
  Graph graph_{"mlp"};
  ThreadTeam team_{2};
};

TEST_F(WeightsTest, SecondLoadMapsWhatTheFirstPacked) {
  const std::string plain = load(nullptr);
  ASSERT_FALSE(plain.empty());
  bool packed = false;
  EXPECT_EQ(load(open(), &packed), plain);
  EXPECT_TRUE(packed);
  ASSERT_EQ(files().size(), 1u);
  auto cache = open();
  EXPECT_TRUE(cache->filled());
  EXPECT_EQ(load(std::move(cache), &packed), plain);
  EXPECT_FALSE(packed);
}

TEST_F(WeightsTest, FilesOfOtherKeysAreNotUsed) {
  load(open("old"));
  load(open("other model", "other.gguf"));
  EXPECT_FALSE(open("new")->filled());
  load(open("new"));
  EXPECT_EQ(files().size(), 2u) << "the older file of the same model goes, that of another model stays";
  EXPECT_TRUE(open("new")->filled());
  EXPECT_TRUE(open("other model", "other.gguf")->filled());
  load(open("namesake", "/elsewhere/model.gguf"));
  EXPECT_TRUE(open("new")->filled()) << "a model of the same name in another folder is another model";
}

TEST_F(WeightsTest, DamagedFilesArePackedAgain) {
  const std::string plain = load(open());
  const fs::path file = files().at(0);
  const auto size = fs::file_size(file);
  const std::vector<std::function<void()>> damages = {[&] { fs::resize_file(file, size - 1); },
                                                      [&] { fs::resize_file(file, size + 1); },
                                                      [&] { fs::resize_file(file, 0); },
                                                      [&] { fs::resize_file(file, 100); },
                                                      [&] {  // the key in the header
                                                        std::fstream stream(
                                                            file, std::ios::in | std::ios::out | std::ios::binary);
                                                        stream.seekp(24);
                                                        stream << "K";
                                                      },
                                                      [&] {
                                                        fs::remove(file);
                                                        fs::create_symlink("/dev/zero", file);
                                                      }};
  for (const auto& damage : damages) {
    damage();
    bool packed = false;
    EXPECT_EQ(load(open(), &packed), plain);
    EXPECT_TRUE(packed);
    EXPECT_TRUE(open()->filled());
  }
}

TEST_F(WeightsTest, NothingIsLeftOfALoadThatDidNotEnd) {
  open();  // dies before keep()
  EXPECT_TRUE(files().empty());
}

TEST_F(WeightsTest, RefusesWhatCannotHoldIt) {
  std::ofstream(folder_.string() + ".file") << "x";
  EXPECT_THROW(WeightCache(folder_.string() + ".file", "m", "k", 64), Error);
  EXPECT_THROW(WeightCache(folder_, "m", "k", std::size_t{1} << 60), Error) << "more than any disk";
  EXPECT_TRUE(files().empty());
  fs::remove(folder_.string() + ".file");
}

}  // namespace
}  // namespace cairn
