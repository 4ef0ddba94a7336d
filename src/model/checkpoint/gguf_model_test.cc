// GGUF files as models: small ones written here, and the real SmolLM2.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>

#include "base/mapped_file.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/describe.h"
#include "model/checkpoint/test_files.h"
#include "tensor/float_formats.h"

namespace cairn {
namespace {

using test::expect_error;
using test::GgufWriter;

// A llama of one layer, hidden 8, heads 2 over 1, inner 12, vocabulary 4; f32.
struct TinyGguf {
  std::string architecture = "llama";
  std::uint32_t heads = 2, query_rows = 8;
  std::vector<std::string> tokens = {"<|im_end|>", "a", "b", "<s>"};
  std::uint32_t eos = 3;
  std::string extra_key, extra_value;  // a string
  std::string extra_tensor;            // f32 [2]
  std::uint32_t window = 0;            // with a cap of scores; 0: neither
  int omit_tensor = -1;

  std::string bytes() const {
    struct Entry {
      std::string name;
      std::vector<std::uint64_t> dims;
    };
    std::vector<Entry> tensors = {{"token_embd.weight", {8, 4}},
                                  {"output_norm.weight", {8}},
                                  {"blk.0.attn_norm.weight", {8}},
                                  {"blk.0.ffn_norm.weight", {8}},
                                  {"blk.0.attn_q.weight", {8, query_rows}},
                                  {"blk.0.attn_k.weight", {8, 4}},
                                  {"blk.0.attn_v.weight", {8, 4}},
                                  {"blk.0.attn_output.weight", {8, 8}},
                                  {"blk.0.ffn_gate.weight", {8, 12}},
                                  {"blk.0.ffn_up.weight", {8, 12}},
                                  {"blk.0.ffn_down.weight", {12, 8}}};
    if (!extra_tensor.empty()) tensors.push_back({extra_tensor, {2}});
    if (omit_tensor >= 0) tensors.erase(tensors.begin() + omit_tensor);
    GgufWriter w;
    w.header(tensors.size(), 12 + (extra_key.empty() ? 0 : 1) + (window > 0 ? 2 : 0)).key_text("general.architecture", architecture);
    auto key = [&](const char* rest) { return architecture + "." + rest; };
    w.key_u32(key("context_length"), 64).key_u32(key("embedding_length"), 8).key_u32(key("feed_forward_length"), 12);
    w.key_u32(key("block_count"), 1)
        .key_u32(key("attention.head_count"), heads)
        .key_u32(key("attention.head_count_kv"), 1);
    w.key_f32(key("attention.layer_norm_rms_epsilon"), 1e-5f).key_text("tokenizer.ggml.model", "gpt2");
    w.key_texts("tokenizer.ggml.tokens", tokens).key_u32("tokenizer.ggml.eos_token_id", eos);
    w.key("tokenizer.ggml.token_type", test::kArray).number<std::uint32_t>(5).number<std::uint64_t>(4);
    for (std::int32_t type : {3, 1, 1, 3}) w.number(type);
    if (!extra_key.empty()) w.key_text(extra_key, extra_value);
    if (window > 0)
      w.key_u32(key("attention.sliding_window"), window).key_f32(key("attn_logit_softcapping"), 50.0f);
    std::uint64_t offset = 0;
    for (const Entry& tensor : tensors) {
      w.tensor(tensor.name, tensor.dims, 0, offset);
      std::uint64_t elements = tensor.dims[0] * (tensor.dims.size() > 1 ? tensor.dims[1] : 1);
      offset += (elements * 4 + 31) / 32 * 32;
    }
    return w.pad(32).fill(offset).bytes;
  }
};

std::unique_ptr<Checkpoint> open(const TinyGguf& model) {
  test::TempFolder folder;
  return Checkpoint::open(folder.write("model.gguf", model.bytes()));
}

TEST(GgufModel, ReadsConfigurationTokensAndStopTokens) {
  auto checkpoint = open({});
  const ModelConfig& config = checkpoint->config();
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.vocab_size, 4);
  EXPECT_EQ(config.head_dim, 4);
  EXPECT_EQ(config.num_key_value_heads, 1);
  EXPECT_EQ(config.dtype, DType::f32);
  EXPECT_TRUE(config.rope.interleaved);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(checkpoint->generation().eos_token_ids, (std::vector<int>{3, 0}))
      << "its own, and the end of a turn by text";
  ASSERT_NE(checkpoint->find("model.layers.0.self_attn.q_proj.weight"), nullptr);
  EXPECT_EQ(checkpoint->find("model.layers.0.self_attn.q_proj.weight")->stored_name, "blk.0.attn_q.weight");
  EXPECT_EQ(checkpoint->find("blk.0.attn_q.weight"), nullptr);
  EXPECT_EQ(checkpoint->metadata()["llama.block_count"], 1);
}

TEST(GgufModel, OffersTheScaledRotaryFrequencies) {
  auto checkpoint = open({.extra_tensor = "rope_freqs.weight"});
  ASSERT_NE(checkpoint->find("rope_freqs.weight"), nullptr);
  EXPECT_EQ(checkpoint->find("rope_freqs.weight")->view.shape, Shape({2}));
}

TEST(GgufModel, ReadsWindowAndCapOfScores) {
  EXPECT_TRUE(open({})->config().sliding_window.empty());
  auto checkpoint = open({.window = 7});
  EXPECT_EQ(checkpoint->config().sliding_window, (std::vector<std::int64_t>{7}));
  EXPECT_EQ(checkpoint->config().attn_logit_softcapping, 50.0);
}

TEST(GgufModel, WhatChangesTheComputationIsRefused) {
  auto refused = [](const TinyGguf& model, ErrorKind kind, const std::vector<std::string>& parts) {
    expect_error(kind, parts, [&] { open(model); });
  };
  refused({.architecture = "mamba"}, ErrorKind::unsupported, {"model.gguf", "mamba", "llama, qwen3"});
  refused({.extra_key = "llama.rope.scaling.type", .extra_value = "yarn"}, ErrorKind::unsupported, {"yarn"});
  refused({.extra_key = "llama.attention.sliding_window_pattern", .extra_value = "3"}, ErrorKind::unsupported,
          {"sliding_window_pattern"});
  refused({.extra_tensor = "blk.0.attn_q_norm.weight"}, ErrorKind::unsupported, {"self_attn.q_norm.weight"});
  refused({.extra_tensor = "rope_factors_long.weight"}, ErrorKind::unsupported, {"rope_factors_long.weight"});
}

TEST(GgufModel, TensorsAndTokensAreComparedWithTheConfiguration) {
  auto refused = [](const TinyGguf& model, ErrorKind kind, const std::vector<std::string>& parts) {
    expect_error(kind, parts, [&] { open(model); });
  };
  refused({.omit_tensor = 10}, ErrorKind::not_found, {"model.layers.0.mlp.down_proj.weight", "[8, 12]"});
  refused({.query_rows = 16}, ErrorKind::invalid_argument, {"q_proj.weight", "[16, 8]", "[8, 8]"});
  refused({.heads = 0}, ErrorKind::invalid_argument, {"num_attention_heads", "0"});
  refused({.tokens = {"a", "b", "c"}}, ErrorKind::invalid_argument, {"token_type", "4", "3"});
  refused({.eos = 4}, ErrorKind::invalid_argument, {"eos_token_id", "4"});
  refused({.extra_tensor = "model.norm.weight"}, ErrorKind::invalid_argument, {"model.norm.weight", "twice"});
}

TEST(GgufModel, NoFlippedBitCrashes) {
  const std::string good = TinyGguf{.extra_tensor = "rope_freqs.weight"}.bytes();
  std::mt19937 random(1);
  test::TempFolder folder;
  int refused = 0;
  for (int trial = 0; trial < 1500; ++trial) {
    std::string damaged = good;
    std::size_t bit = random() % (1500 * 8);  // the header and what follows it, not the weights
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      EXPECT_FALSE(describe(*Checkpoint::open(folder.write("model.gguf", damaged))).empty());
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 500);
}

TEST(GgufModel, HoldsTheWeightsOfTheFolderItWasConvertedFrom) {
  const std::string data = std::string(CAIRN_SOURCE_DIR) + "/tests/reference/data/";
  auto gguf = Checkpoint::open(data + "gguf/tiny-llama-bf16.gguf");
  auto folder = Checkpoint::open(data + "models/tiny-llama-bf16");
  EXPECT_EQ(gguf->config().dtype, DType::bf16);
  EXPECT_EQ(gguf->config().rope.theta, folder->config().rope.theta);
  EXPECT_EQ(gguf->config().tie_word_embeddings, folder->config().tie_word_embeddings);
  const std::int64_t half = folder->config().head_dim / 2;
  for (const TensorEntry& stored : folder->tensors()) {
    const TensorEntry* converted = gguf->find(stored.name);
    ASSERT_NE(converted, nullptr) << stored.name;
    ASSERT_EQ(converted->view.shape, stored.view.shape);
    const bool rotated =
        stored.name.find("q_proj") != std::string::npos || stored.name.find("k_proj") != std::string::npos;
    const std::int64_t columns = stored.view.shape.back(), rows = stored.view.rows();
    std::vector<float> a(static_cast<std::size_t>(columns)), b = a;
    for (std::int64_t row = 0; row < rows; ++row) {
      // Row i of a head's first half and row i of its second are neighbours in GGUF.
      std::int64_t in_head = row % (2 * half);
      std::int64_t there = rotated ? row - in_head + 2 * (in_head % half) + in_head / half : row;
      decode_row(stored.view.dtype, stored.view.data + row * row_bytes(stored.view.dtype, columns), a);
      decode_row(converted->view.dtype, converted->view.data + there * row_bytes(converted->view.dtype, columns), b);
      ASSERT_EQ(a, b) << stored.name << " row " << row;
    }
  }
}

TEST(GgufModel, OpensTheRealSmolLM2) {
  const char* models = std::getenv("CAIRN_MODEL_DIR");
  const char* home = std::getenv("HOME");
  std::string folder = models ? models : std::string(home ? home : "") + "/.cache/cairn/models";
  std::string path = folder + "/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  auto checkpoint = Checkpoint::open(path);
  const ModelConfig& config = checkpoint->config();
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.num_hidden_layers, 30);
  EXPECT_EQ(config.hidden_size, 576);
  EXPECT_EQ(config.head_dim, 64);
  EXPECT_TRUE(config.rope.interleaved);
  EXPECT_TRUE(config.tie_word_embeddings);
  EXPECT_EQ(config.vocab_size, 49152);
  EXPECT_EQ(checkpoint->tensors().size(), 272u);
  EXPECT_EQ(checkpoint->generation().eos_token_ids, (std::vector<int>{2}));
  EXPECT_NE(checkpoint->tokenizer().chat_template.find("im_start"), std::string::npos);
  EXPECT_NE(describe(*checkpoint).find("model.layers.29.mlp.down_proj.weight"), std::string::npos);
}

}  // namespace
}  // namespace cairn
