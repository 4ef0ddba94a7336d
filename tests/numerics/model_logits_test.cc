// Whole models against torch: small seeded random models that transformers saved (tests/reference/make_tiny_models.py).
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "engine/runner/graph_runner.h"
#include "numerics/whole_prompt.h"

namespace cairn {
namespace {

std::string folder(const std::string& name) {
  return std::string(CAIRN_SOURCE_DIR) + "/tests/reference/data/models/" + name;
}

std::vector<float> read_floats(const std::string& path) {
  MappedFile file(path);
  std::vector<float> values(file.bytes().size() / sizeof(float));
  std::memcpy(values.data(), file.bytes().data(), values.size() * sizeof(float));
  return values;
}

std::unique_ptr<GraphRunner> runner_at(const std::string& path, Isa isa, int threads,
                                       const std::string& precision = "auto", const std::string& kv_cache = "auto") {
  RunnerConfig config;
  config.activation_precision = precision;
  config.kv_cache_dtype = kv_cache;
  config.threads = threads;
  config.max_num_seqs = 4;
  config.max_num_batched_tokens = 64;
  config.kv_cache_bytes = 8 << 20;
  return std::make_unique<GraphRunner>(Checkpoint::open(path), config, isa, null_log());
}

// All prompts of reference.json, one after the other.
std::vector<float> run_prompts(const std::string& name, Isa isa, int threads, std::int64_t chunk,
                               const std::string& precision = "auto", const std::string& kv_cache = "auto") {
  auto reference = nlohmann::json::parse(read_text_file(folder(name) + "/reference.json"));
  auto runner = runner_at(folder(name), isa, threads, precision, kv_cache);
  std::vector<float> all;
  for (const auto& prompt : reference["prompts"]) {
    std::vector<float> logits = logits_at_every_position(*runner, prompt.get<std::vector<int>>(), chunk);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

struct Case {
  std::string model;
  Isa isa;
};
std::vector<Case> cases(std::initializer_list<const char*> models) {
  std::vector<Case> list;
  for (const char* model : models)
    for (Isa isa : supported_isas()) list.push_back({model, isa});
  return list;
}
std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  std::string text = info.param.model + "_" + std::string(to_string(info.param.isa));
  for (char& c : text)
    if (c == '-') c = '_';
  return text;
}

class F32Model : public ::testing::TestWithParam<Case> {};

TEST_P(F32Model, LogitsAgreeWithTorchAtEveryPosition) {
  const std::vector<float> expected = read_floats(folder(GetParam().model) + "/logits.bin");
  const std::vector<float> actual = run_prompts(GetParam().model, GetParam().isa, 2, 64);
  ASSERT_EQ(actual.size(), expected.size());
  constexpr std::size_t kVocab = 256;
  double worst = 0;
  for (std::size_t row = 0; row < expected.size(); row += kVocab) {
    float largest = 0;
    for (std::size_t i = row; i < row + kVocab; ++i) largest = std::max(largest, std::abs(expected[i]));
    for (std::size_t i = row; i < row + kVocab; ++i)
      worst = std::max(worst, std::abs(static_cast<double>(actual[i]) - expected[i]) / largest);
  }
  RecordProperty("max_relative_error", std::to_string(worst));
  EXPECT_LT(worst, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Tiny, F32Model,
                         ::testing::ValuesIn(cases({"tiny-llama-f32", "tiny-llama-bias-f32", "tiny-llama3-rope-f32",
                                                    "tiny-qwen3-f32"})),
                         case_name);

class Bf16Model : public ::testing::TestWithParam<Case> {};

double rms_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

// Torch's bf16 run rounds every activation; ours keeps the residual in f32, so it must be no farther from the exact run
// than torch's is, and no farther from torch's than the two roundings together allow.
TEST_P(Bf16Model, LogitsStayWithinTorchsOwnRounding) {
  const std::vector<float> exact = read_floats(folder(GetParam().model) + "/logits.bin");
  const std::vector<float> torch_bf16 = read_floats(folder(GetParam().model) + "/logits_bf16.bin");
  const double rounding = rms_difference(torch_bf16, exact);
  for (const char* precision : {"int8", "int16"}) {  // the first lets attention multiply in bf16
    const std::vector<float> actual = run_prompts(GetParam().model, GetParam().isa, 2, 64, precision);
    ASSERT_EQ(actual.size(), exact.size());
    EXPECT_LE(rms_difference(actual, exact), rounding) << precision;
    EXPECT_LE(rms_difference(actual, torch_bf16), 1.5 * rounding) << precision;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, Bf16Model, ::testing::ValuesIn(cases({"tiny-llama-bf16", "tiny-qwen3-bf16"})),
                         case_name);

// What the cache's rounding adds to the logits of an f32 model, as a share of the logits' own size; measured at most half
// of the bounds.
TEST(KvCacheDtype, ErrorOfLogitsFollowsTheRoundingOfTheType) {
  const std::vector<float> exact = read_floats(folder("tiny-qwen3-f32") + "/logits.bin");
  const double size = rms_difference(exact, std::vector<float>(exact.size(), 0));
  const std::pair<const char*, double> bounds[] = {
      {"float32", 1e-5}, {"float16", 1e-3}, {"bfloat16", 1e-2}, {"int8", 2e-2}, {"fp8", 1e-1}};
  for (const auto& [dtype, bound] : bounds) {
    for (Isa isa : supported_isas()) {
      const double error = rms_difference(run_prompts("tiny-qwen3-f32", isa, 2, 64, "auto", dtype), exact) / size;
      EXPECT_LT(error, bound) << dtype << " " << to_string(isa);
      EXPECT_GT(error, bound / 100) << dtype << " " << to_string(isa) << ": is the cache of that type?";
    }
  }
}

TEST(KvCacheDtype, SmallerElementsMakeMoreBlocks) {
  auto blocks = [](const char* dtype) {
    return runner_at(folder("tiny-qwen3-f32"), supported_isas().back(), 1, "auto", dtype)->num_kv_blocks();
  };
  EXPECT_EQ(blocks("bfloat16"), 2 * blocks("float32"));
  EXPECT_EQ(blocks("float16"), blocks("bfloat16"));
  EXPECT_EQ(blocks("fp8"), 2 * blocks("bfloat16"));
  EXPECT_EQ(blocks("fp8_e4m3"), blocks("fp8"));
  EXPECT_EQ(blocks("int8"), blocks("fp8") * 32 / 36) << "a scale of 4 bytes beside 32 elements";
}

TEST(BatchInvariance, ChunksAndThreadsDoNotChangeABit) {
  const std::pair<const char*, const char*> models[] = {
      {"tiny-llama-bf16", "auto"}, {"tiny-qwen3-f32", "auto"}, {"tiny-llama-bf16", "int8"}, {"tiny-qwen3-f32", "fp8"}};
  for (const auto& [model, kv_cache] : models) {
    for (Isa isa : supported_isas()) {
      const std::vector<float> whole = run_prompts(model, isa, 1, 64, "int8", kv_cache);
      for (std::int64_t chunk : {1, 3, 16, 17}) {
        const std::vector<float> cut = run_prompts(model, isa, static_cast<int>(1 + chunk % 3), chunk, "int8", kv_cache);
        ASSERT_EQ(std::memcmp(whole.data(), cut.data(), whole.size() * sizeof(float)), 0)
            << model << " " << kv_cache << " " << to_string(isa) << " " << chunk;
      }
    }
  }
}

// A model folder with other values for some keys of config.json.
class ChangedModel {
 public:
  ChangedModel(const std::string& name, const nlohmann::json& changes)
      : path_(std::filesystem::path(::testing::TempDir()) / ("cairn-" + name + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
    std::filesystem::copy_file(folder(name) + "/model.safetensors", path_ / "model.safetensors",
                               std::filesystem::copy_options::overwrite_existing);
    auto config = nlohmann::json::parse(read_text_file(folder(name) + "/config.json"));
    config.update(changes);
    std::ofstream(path_ / "config.json") << config.dump();
  }
  ~ChangedModel() { std::filesystem::remove_all(path_); }
  ChangedModel(const ChangedModel&) = delete;
  ChangedModel& operator=(const ChangedModel&) = delete;
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// With windows of w tokens two layers look back 2 (w - 1) positions, and no farther.
TEST(SlidingWindow, LogitsDependOnWhatTheWindowsReachAndNothingElse) {
  constexpr std::int64_t kWindow = 6, kReach = 2 * (kWindow - 1), kLength = 40, kVocab = 256;
  const ChangedModel all("tiny-llama-f32", {{"model_type", "mistral"}, {"sliding_window", kWindow}});
  const ChangedModel one("tiny-qwen3-f32", {{"use_sliding_window", true},
                                            {"sliding_window", kReach + 1},
                                            {"layer_types", {"sliding_attention", "sliding_attention"}}});
  std::vector<int> prompt(kLength), other;
  for (std::size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<int>(i * 37 % kVocab);
  other = prompt, other[5] = 200;
  for (Isa isa : supported_isas()) {
    for (std::int64_t chunk : {1, 7, 64}) {
      const auto a = logits_at_every_position(*runner_at(all.path(), isa, 2), prompt, chunk);
      const auto b = logits_at_every_position(*runner_at(all.path(), isa, 2), other, chunk);
      for (std::int64_t position = 0; position < kLength; ++position) {
        const bool reached = position >= 5 && position <= 5 + kReach;
        EXPECT_EQ(std::memcmp(&a[static_cast<std::size_t>(position * kVocab)],
                              &b[static_cast<std::size_t>(position * kVocab)], kVocab * sizeof(float)) != 0,
                  reached)
            << position << " " << chunk;
      }
    }
    const auto windowed = logits_at_every_position(*runner_at(one.path(), isa, 2), prompt, 64);
    const auto full = logits_at_every_position(*runner_at(folder("tiny-qwen3-f32"), isa, 2), prompt, 64);
    EXPECT_EQ(std::memcmp(windowed.data(), full.data(), (kReach + 1) * kVocab * sizeof(float)), 0);
    EXPECT_NE(std::memcmp(windowed.data(), full.data(), windowed.size() * sizeof(float)), 0);
  }
}

TEST(Gguf, GivesTheBitsOfTheFolderItWasMadeFrom) {
  const std::string file = std::string(CAIRN_SOURCE_DIR) + "/tests/reference/data/gguf/tiny-llama-bf16.gguf";
  const std::vector<int> prompt =
      nlohmann::json::parse(read_text_file(folder("tiny-llama-bf16") + "/reference.json"))["prompts"][0];
  const std::vector<float> a = logits_at_every_position(*runner_at(file, supported_isas().back(), 2), prompt, 64);
  const std::vector<float> b =
      logits_at_every_position(*runner_at(folder("tiny-llama-bf16"), supported_isas().back(), 2), prompt, 64);
  ASSERT_FALSE(a.empty());
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

}  // namespace
}  // namespace cairn
