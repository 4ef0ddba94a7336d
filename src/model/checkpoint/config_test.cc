#include <gtest/gtest.h>

#include "base/error.h"
#include "model/checkpoint/readers.h"

namespace cairn {
namespace {

nlohmann::json llama() {
  return nlohmann::json::parse(R"({"model_type": "llama", "vocab_size": 256, "hidden_size": 64, "intermediate_size": 96,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0})");
}

std::string message_of(const nlohmann::json& config, ErrorKind kind) {
  try {
    check_config(parse_config(config));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

TEST(Config, HeadDimAndKvHeadsHaveDefaults) {
  nlohmann::json json = llama();
  json.erase("num_key_value_heads");
  ModelConfig config = parse_config(json);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.num_key_value_heads, 4);
}

TEST(Config, ReadsLlama3ScalingInBothSpellings) {
  nlohmann::json scaling = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}, {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 64}};
  nlohmann::json old_way = llama(), new_way = llama();
  old_way["rope_scaling"] = scaling;
  new_way.erase("rope_theta");
  scaling["rope_theta"] = 10000.0;
  new_way["rope_parameters"] = scaling;
  for (const auto& json : {old_way, new_way}) {
    RopeConfig rope = parse_config(json).rope;
    EXPECT_EQ(rope.scaling, "llama3");
    EXPECT_EQ(rope.factor, 8.0);
    EXPECT_EQ(rope.theta, 10000.0);
    EXPECT_EQ(rope.original_max_position_embeddings, 64);
  }
}

TEST(Config, ErrorsNameTheKey) {
  nlohmann::json json = llama();
  json.erase("hidden_size");
  EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("hidden_size"), std::string::npos);
  json = llama();
  json["num_hidden_layers"] = "two";
  EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("num_hidden_layers"), std::string::npos);
  json = llama();
  json["num_key_value_heads"] = 3;
  EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("num_key_value_heads"), std::string::npos);
  json = llama();
  json["vocab_size"] = -1;
  EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("vocab_size"), std::string::npos);
}

TEST(Config, WhatChangesTheComputationIsRefused) {
  nlohmann::json json = llama();
  json["model_type"] = "mamba";
  EXPECT_NE(message_of(json, ErrorKind::unsupported).find("llama, qwen3"), std::string::npos);
  json = llama();
  json["hidden_act"] = "gelu";
  EXPECT_NE(message_of(json, ErrorKind::unsupported).find("gelu"), std::string::npos);
  json = llama();
  json["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}};
  EXPECT_NE(message_of(json, ErrorKind::unsupported).find("yarn"), std::string::npos);
  json = llama();
  json["quantization_config"] = {{"quant_method", "gptq"}};
  message_of(json, ErrorKind::unsupported);
}

TEST(Config, EosMayBeOneTokenOrMany) {
  EXPECT_EQ(parse_generation_config({{"eos_token_id", 2}}).eos_token_ids, (std::vector<int>{2}));
  EXPECT_EQ(parse_generation_config({{"eos_token_id", {2, 7}}}).eos_token_ids, (std::vector<int>{2, 7}));
  EXPECT_EQ(parse_generation_config({{"temperature", 0.6}, {"top_k", 20}}).top_k, 20);
}

}  // namespace
}  // namespace cairn
