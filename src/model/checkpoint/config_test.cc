#include <gtest/gtest.h>

#include "base/error.h"
#include "model/checkpoint/readers.h"
#include "model/checkpoint/test_files.h"

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

GenerationConfig generation(const nlohmann::json& json) {
  return parse_generation_config(json, "generation_config.json");
}

TEST(Config, HeadDimAndKvHeadsHaveDefaults) {
  nlohmann::json json = llama();
  json.erase("num_key_value_heads");
  ModelConfig config = parse_config(json);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.num_key_value_heads, 4);
}

TEST(Config, ReadsLlama3ScalingInBothSpellings) {
  nlohmann::json scaling = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
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
}

TEST(Config, EosMayBeOneTokenOrMany) {
  EXPECT_EQ(generation({{"eos_token_id", 2}}).eos_token_ids, (std::vector<int>{2}));
  EXPECT_EQ(generation({{"eos_token_id", {2, 7}}}).eos_token_ids, (std::vector<int>{2, 7}));
  EXPECT_EQ(generation({{"temperature", 0.6}, {"top_k", 20}}).top_k, 20);
}

TEST(Config, GenerationDefaultsOutsideTheirLimitsNameTheKey) {
  auto refused = [](const nlohmann::json& json, const std::string& key) {
    test::expect_error(ErrorKind::invalid_argument, {"generation_config.json", key}, [&] { generation(json); });
  };
  refused({{"temperature", -1}}, "temperature");
  refused({{"top_p", "high"}}, "top_p");
  refused({{"top_k", 1.5}}, "top_k");
  refused({{"eos_token_id", {1, "x"}}}, "eos_token_id");
  refused({{"eos_token_id", 5000000000}}, "eos_token_id");
  EXPECT_EQ(generation({{"pad_token_id", -1}}).pad_token_id, std::nullopt) << "old configurations say so";
}

TEST(Config, NumbersAreNotRoundedNorWrapped) {
  for (const nlohmann::json& value :
       {nlohmann::json(64.5), nlohmann::json(true), nlohmann::json(18446744073709551615u)}) {
    nlohmann::json json = llama();
    json["hidden_size"] = value;
    EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("hidden_size"), std::string::npos);
  }
}

TEST(Config, Qwen3HasItsOwnDefaults) {
  nlohmann::json json = llama();
  json["model_type"] = "qwen3";
  json["mlp_bias"] = true;
  EXPECT_EQ(parse_config(json).head_dim, 128);
  EXPECT_FALSE(parse_config(json).mlp_bias) << "transformers' Qwen3 has none whatever the key says";
}

using Windows = std::vector<std::int64_t>;

TEST(Config, QwensWindowCountsOnlyWhenUsedAndInTheLaterLayers) {
  nlohmann::json json = llama();
  json["model_type"] = "qwen3", json["sliding_window"] = 32;
  EXPECT_EQ(parse_config(json).sliding_window, Windows());
  json["use_sliding_window"] = true;
  EXPECT_EQ(parse_config(json).sliding_window, Windows()) << "28 layers without, by default";
  json["max_window_layers"] = 1;
  EXPECT_EQ(parse_config(json).sliding_window, (Windows{0, 32}));
  json["layer_types"] = {"sliding_attention", "full_attention"};
  EXPECT_EQ(parse_config(json).sliding_window, (Windows{32, 0})) << "layer_types says which";
  json.erase("layer_types");
  json.erase("sliding_window");
  EXPECT_EQ(parse_config(json).sliding_window, (Windows{0, 4096}));
}

TEST(Config, MistralsWindowCountsInAllLayers) {
  nlohmann::json json = llama();
  json["model_type"] = "mistral";
  EXPECT_EQ(parse_config(json).sliding_window, (Windows{4096, 4096})) << "transformers' default";
  json["sliding_window"] = nullptr;
  EXPECT_EQ(parse_config(json).sliding_window, Windows());
  json["sliding_window"] = 100;
  EXPECT_EQ(parse_config(json).sliding_window, (Windows{100, 100}));
}

TEST(Config, WindowsThatCannotBeMeantNameTheirKey) {
  nlohmann::json json = llama();
  EXPECT_EQ(parse_config(json).sliding_window, Windows());
  json["sliding_window"] = -5;
  EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("sliding_window"), std::string::npos);
  json["sliding_window"] = 64;
  json["layer_types"] = {"full_attention"};
  EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("layer_types"), std::string::npos) << "of two layers";
  json["layer_types"] = {"full_attention", "chunked_attention"};
  EXPECT_NE(message_of(json, ErrorKind::unsupported).find("chunked_attention"), std::string::npos);
  json["layer_types"] = {"full_attention", "sliding_attention"};
  EXPECT_EQ(parse_config(json).sliding_window, (Windows{0, 64}));
  json["sliding_window"] = nullptr;
  EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("sliding_attention"), std::string::npos);
  json = llama();
  json["attn_logit_softcapping"] = 50.0;
  EXPECT_EQ(parse_config(json).attn_logit_softcapping, 50.0);
  json["attn_logit_softcapping"] = -1.0;
  EXPECT_NE(message_of(json, ErrorKind::invalid_argument).find("attn_logit_softcapping"), std::string::npos);
}

std::string tensors_message(const ModelConfig& config, const std::vector<TensorEntry>& tensors, ErrorKind kind) {
  try {
    check_model_tensors(config, tensors);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

TEST(Tensors, AreComparedWithTheConfiguration) {
  ModelConfig config = parse_config(llama());
  std::vector<TensorEntry> tensors;
  auto add = [&](const std::string& name, Shape shape) {
    tensors.push_back({name, name, make_view(nullptr, DType::bf16, shape)});
  };
  add("model.embed_tokens.weight", {256, 64});
  add("lm_head.weight", {256, 64});
  add("model.norm.weight", {64});
  for (int layer = 0; layer < 2; ++layer) {
    std::string prefix = "model.layers." + std::to_string(layer) + ".";
    for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"}) add(prefix + norm, {64});
    for (const char* name : {"q", "o"}) add(prefix + "self_attn." + name + "_proj.weight", {64, 64});
    for (const char* name : {"k", "v"}) add(prefix + "self_attn." + name + "_proj.weight", {32, 64});
    for (const char* name : {"gate", "up"}) add(prefix + "mlp." + name + "_proj.weight", {96, 64});
    add(prefix + "mlp.down_proj.weight", {64, 96});
  }
  EXPECT_NO_THROW(check_model_tensors(config, tensors));

  auto changed = tensors;
  changed.back().view.shape = {96, 64};
  std::string message = tensors_message(config, changed, ErrorKind::invalid_argument);
  for (const char* part : {"model.layers.1.mlp.down_proj.weight", "[96, 64]", "[64, 96]"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  changed = tensors;
  changed.pop_back();
  EXPECT_NE(tensors_message(config, changed, ErrorKind::not_found).find("model.layers.1.mlp.down_proj.weight"),
            std::string::npos);
  changed = tensors;
  changed.back().view.dtype = DType::i8;
  EXPECT_NE(tensors_message(config, changed, ErrorKind::unsupported).find("i8"), std::string::npos);
  changed = tensors;
  changed.push_back({"model.layers.0.self_attn.q_proj.bias", "", make_view(nullptr, DType::bf16, {64})});
  EXPECT_NE(tensors_message(config, changed, ErrorKind::unsupported).find("q_proj.bias"), std::string::npos)
      << "would be left out";
  changed.back() = {"position_ids", "", make_view(nullptr, DType::i64, {512})};
  EXPECT_NO_THROW(check_model_tensors(config, changed));
}

}  // namespace
}  // namespace cairn
