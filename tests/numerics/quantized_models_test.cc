// Whole models of every quantized safetensors format (tests/reference/make_quantized_cases.py) against the same models
// with their weights dequantized to f32.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "engine/runner/graph_runner.h"
#include "numerics/whole_prompt.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

const std::vector<int> kPrompt = {1, 5, 0, 7, 3, 3, 6, 2, 4, 1, 0, 6, 5, 7, 2, 4, 4, 1, 3};

std::vector<float> values_of(const TensorView& view) {
  const std::int64_t k = view.shape.back(), bytes = row_bytes(view.dtype, k);
  std::vector<float> values(static_cast<std::size_t>(view.shape.elements()));
  std::vector<std::byte> made(static_cast<std::size_t>(bytes));
  for (std::int64_t n = 0; n < view.rows(); ++n) {
    if (view.source) view.source->read(n, 1, made.data());
    decode_row(view.dtype, view.source ? made.data() : view.data + n * bytes,
               std::span(values).subspan(static_cast<std::size_t>(n * k), static_cast<std::size_t>(k)));
  }
  return values;
}

// A folder of the same model in f32.
void write_dequantized(const std::string& from, const fs::path& to) {
  fs::create_directories(to);
  auto config = nlohmann::json::parse(read_text_file(from + "/config.json"));
  config.erase("quantization_config");
  std::ofstream(to / "config.json") << config;
  nlohmann::json header;
  std::string data;
  const auto checkpoint = Checkpoint::open(from);
  for (const TensorEntry& tensor : checkpoint->tensors()) {
    const std::vector<float> values = values_of(tensor.view);
    const std::size_t begin = data.size();
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    const auto dims = tensor.view.shape.dims();
    header[tensor.name] = {{"dtype", "F32"},
                           {"shape", std::vector<std::int64_t>(dims.begin(), dims.end())},
                           {"data_offsets", {begin, data.size()}}};
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::ofstream file(to / "model.safetensors", std::ios::binary);
  file.write(reinterpret_cast<const char*>(&length), sizeof length) << text << data;
}

std::vector<float> logits_of(const std::string& path, Isa isa, int threads, std::int64_t chunk) {
  RunnerConfig config;
  config.activation_precision = "int16";
  config.kv_cache_dtype = "float32";
  config.threads = threads;
  config.max_num_seqs = 4;
  config.max_num_batched_tokens = 64;
  config.kv_cache_bytes = 1 << 20;
  GraphRunner runner(Checkpoint::open(path), config, isa, null_log());
  return logits_at_every_position(runner, kPrompt, chunk);
}

class QuantizedModel : public ::testing::TestWithParam<const char*> {
 protected:
  QuantizedModel() : folder_(std::string(CAIRN_SOURCE_DIR) + "/tests/reference/data/quantized/" + GetParam()) {}
  std::string folder_;
};

// 16-bit integers and the bf16 of 8-bit floats and of the embedding, which is the head too, are what differs.
TEST_P(QuantizedModel, LogitsAreThoseOfTheDequantizedWeights) {
  const fs::path plain = fs::path(::testing::TempDir()) / (std::string("dequantized-") + GetParam());
  write_dequantized(folder_, plain);
  for (Isa isa : supported_isas()) {
    const std::vector<float> expected = logits_of(plain, isa, 2, 64), actual = logits_of(folder_, isa, 2, 64);
    ASSERT_EQ(actual.size(), expected.size());
    double difference = 0, whole = 0;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      difference += std::pow(static_cast<double>(actual[i]) - expected[i], 2);
      whole += std::pow(static_cast<double>(expected[i]), 2);
    }
    EXPECT_LE(std::sqrt(difference / whole), isa == Isa::avx512_bf16 ? 1e-2 : 1e-3) << to_string(isa);
  }
  fs::remove_all(plain);
}

TEST_P(QuantizedModel, ChunksAndThreadsDoNotChangeABit) {
  const Isa isa = supported_isas().back();
  const std::vector<float> whole = logits_of(folder_, isa, 1, 64);
  for (std::int64_t chunk : {1, 4, 9}) {
    const std::vector<float> cut = logits_of(folder_, isa, 3, chunk);
    ASSERT_EQ(std::memcmp(whole.data(), cut.data(), whole.size() * sizeof(float)), 0) << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryFormat, QuantizedModel,
                         ::testing::Values("ct-int8", "ct-int4-g32", "ct-uint4-g128", "ct-float8", "fp8-blocks",
                                           "gptq-g128", "gptq-g32", "gptq-v2-g64", "awq-g64"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace cairn
