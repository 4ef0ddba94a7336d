// Hugging Face folders as models.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/describe.h"
#include "model/checkpoint/test_files.h"

namespace cairn {
namespace {

using nlohmann::json;
using test::expect_error;
using test::safetensors_file;
using test::TempFolder;

// One layer, hidden 8, heads 2 over 1, inner 12, vocabulary 4, tied; bf16.
json config() {
  return {{"model_type", "llama"},       {"vocab_size", 4},          {"hidden_size", 8},
          {"intermediate_size", 12},     {"num_hidden_layers", 1},   {"num_attention_heads", 2},
          {"num_key_value_heads", 1},    {"eos_token_id", 2},        {"max_position_embeddings", 64},
          {"tie_word_embeddings", true}, {"torch_dtype", "bfloat16"}};
}

const std::vector<std::pair<std::string, std::vector<int>>> kTensors = {
    {"model.embed_tokens.weight", {4, 8}},
    {"model.norm.weight", {8}},
    {"model.layers.0.input_layernorm.weight", {8}},
    {"model.layers.0.post_attention_layernorm.weight", {8}},
    {"model.layers.0.self_attn.q_proj.weight", {8, 8}},
    {"model.layers.0.self_attn.k_proj.weight", {4, 8}},
    {"model.layers.0.self_attn.v_proj.weight", {4, 8}},
    {"model.layers.0.self_attn.o_proj.weight", {8, 8}},
    {"model.layers.0.mlp.gate_proj.weight", {12, 8}},
    {"model.layers.0.mlp.up_proj.weight", {12, 8}},
    {"model.layers.0.mlp.down_proj.weight", {8, 12}},
};

// The tensors begin … end-1 as a file, whose header ends at an odd byte.
std::string weights(std::size_t begin = 0, std::size_t end = kTensors.size()) {
  json header = json::object();
  std::size_t at = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const auto& [name, shape] = kTensors[i];
    std::size_t bytes = 2;
    for (int dim : shape) bytes *= static_cast<std::size_t>(dim);
    header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  std::string text = header.dump();
  return safetensors_file(text.size() % 2 == 0 ? text + " " : text, at);
}

class HfFolder : public ::testing::Test {
 protected:
  HfFolder() {
    folder.write("config.json", config().dump());
    folder.write("model.safetensors", weights());
  }
  std::unique_ptr<Checkpoint> open() { return Checkpoint::open(folder.path()); }
  void refused(ErrorKind kind, const std::vector<std::string>& parts) {
    expect_error(kind, parts, [&] { open(); });
  }
  void write_index(const json& map) { folder.write("model.safetensors.index.json", json{{"weight_map", map}}.dump()); }
  // Two files, and an index that is right.
  json split() {
    std::filesystem::remove(folder.path() + "/model.safetensors");
    folder.write("a.safetensors", weights(0, 5));
    folder.write("b.safetensors", weights(5));
    json map;
    for (std::size_t i = 0; i < kTensors.size(); ++i)
      map[kTensors[i].first] = i < 5 ? "a.safetensors" : "b.safetensors";
    write_index(map);
    return map;
  }

  TempFolder folder;
};

TEST_F(HfFolder, OpensOneFileEvenWhereItsTensorsAreUnaligned) {
  auto checkpoint = open();
  EXPECT_EQ(checkpoint->format(), "safetensors");
  EXPECT_EQ(checkpoint->config().dtype, DType::bf16);
  EXPECT_FALSE(checkpoint->config().rope.interleaved);
  const TensorEntry* tensor = checkpoint->find("model.layers.0.mlp.down_proj.weight");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->view.shape, Shape({8, 12}));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor->view.data) % 2, 1u) << "no copy is made";
  checkpoint->drop(*tensor);
  EXPECT_NE(static_cast<int>(tensor->view.data[1]), -1) << "dropped pages are read again";
  EXPECT_EQ(checkpoint->metadata()["vocab_size"], 4);
  EXPECT_NE(describe(*checkpoint).find("  none"), std::string::npos) << "no chat template";
  EXPECT_EQ(checkpoint->generation().eos_token_ids, (std::vector<int>{2}));
}

TEST_F(HfFolder, OpensShardsByTheirIndex) {
  split();
  auto checkpoint = open();
  EXPECT_EQ(checkpoint->tensors().size(), kTensors.size());
  for (const auto& [name, shape] : kTensors) EXPECT_NE(checkpoint->find(name), nullptr) << name;
}

TEST_F(HfFolder, AnIndexThatDisagreesWithTheFilesIsRefused) {
  json map = split();
  json wrong = map;
  wrong["model.norm.weight"] = "b.safetensors";
  write_index(wrong);
  refused(ErrorKind::invalid_argument, {"model.norm.weight", "b.safetensors"});
  wrong = map;
  wrong["model.extra.weight"] = "a.safetensors";
  write_index(wrong);
  refused(ErrorKind::invalid_argument, {"model.extra.weight"});
  wrong["model.extra.weight"] = "c.safetensors";
  write_index(wrong);
  refused(ErrorKind::not_found, {"c.safetensors"});
  write_index(map);
  folder.write("b.safetensors", weights(4));
  refused(ErrorKind::invalid_argument, {"self_attn.q_proj.weight", "twice"});
}

TEST_F(HfFolder, AnIndexMayNotLeaveTheFolder) {
  json map = split();
  for (const json& outside : {json("../a.safetensors"), json("/etc/passwd"), json("x/a.safetensors"), json(".."),
                              json(""), json(std::string("a.safetensors\0", 14)), json(3)}) {
    map["model.norm.weight"] = outside;
    write_index(map);
    refused(ErrorKind::invalid_argument, {"model.safetensors.index.json", "model.norm.weight"});
  }
}

TEST_F(HfFolder, ErrorsNameTheFile) {
  folder.write("model.safetensors", weights().substr(0, 2000));
  refused(ErrorKind::invalid_argument, {"model.safetensors", "truncated"});
  std::filesystem::remove(folder.path() + "/model.safetensors");
  refused(ErrorKind::not_found, {folder.path(), "model.safetensors"});
  for (const char* text : {"", "{", "[]", "\xFF"}) {
    folder.write("config.json", text);
    refused(ErrorKind::invalid_argument, {"config.json"});
  }
  folder.write("config.json", std::string(100000, '['));
  refused(ErrorKind::invalid_argument, {"config.json", "nested"});
  std::filesystem::remove(folder.path() + "/config.json");
  refused(ErrorKind::not_found, {"config.json"});
}

TEST_F(HfFolder, GenerationConfigComesBeforeTheModels) {
  folder.write("generation_config.json", R"({"eos_token_id": [1, 3], "temperature": 0.6, "top_p": 0.95, "top_k": 20})");
  auto checkpoint = open();
  EXPECT_EQ(checkpoint->generation().eos_token_ids, (std::vector<int>{1, 3}));
  EXPECT_EQ(checkpoint->generation().temperature, 0.6);
  EXPECT_EQ(checkpoint->generation().top_k, 20);
  folder.write("generation_config.json", R"({"temperature": 0.6})");
  EXPECT_EQ(open()->generation().eos_token_ids, (std::vector<int>{2})) << "config.json's";
  folder.write("generation_config.json", R"({"eos_token_id": 4})");
  refused(ErrorKind::invalid_argument, {"eos_token_id", "4"});
}

TEST_F(HfFolder, ReadsTheTokenizersSpecialTokens) {
  folder.write("tokenizer.json", R"({"added_tokens": [{"id": 3, "content": "<s>"}, {"id": 1, "content": "</s>"}],)"
                                 R"( "model": {"vocab": {"a": 0}}})");
  EXPECT_EQ(open()->tokenizer().eos_token_id, 2) << "the configuration's, where there is no tokenizer_config.json";
  folder.write("tokenizer_config.json", R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": null})");
  auto checkpoint = open();
  EXPECT_EQ(checkpoint->tokenizer().bos_token_id, 3);
  EXPECT_EQ(checkpoint->tokenizer().eos_token_id, 1);
  EXPECT_EQ(checkpoint->generation().eos_token_ids, (std::vector<int>{2, 1}));
  folder.write("tokenizer.json", R"({"added_tokens": [{"id": 9, "content": "</s>"}]})");
  refused(ErrorKind::invalid_argument, {"tokenizer.json", "</s>", "9"});
}

TEST_F(HfFolder, TakesTheChatTemplateFromWhereverItIs) {
  folder.write("tokenizer.json", "{}");
  folder.write("tokenizer_config.json", R"({"chat_template": "one"})");
  EXPECT_EQ(open()->tokenizer().chat_template, "one");
  folder.write("tokenizer_config.json",
               R"({"chat_template": [{"name": "rag", "template": "no"}, {"name": "default", "template": "two"}]})");
  EXPECT_EQ(open()->tokenizer().chat_template, "two");
  folder.write("tokenizer_config.json", R"({"chat_template": [{"name": 1}]})");
  refused(ErrorKind::invalid_argument, {"chat_template", "name"});
  folder.write("tokenizer_config.json", R"({"chat_template": 7})");
  refused(ErrorKind::invalid_argument, {"chat_template"});
  folder.write("tokenizer_config.json", "{}");
  folder.write("chat_template.jinja", "three");
  EXPECT_EQ(open()->tokenizer().chat_template, "three");
}

TEST(Checkpoint, MissingPathsAreNotFoundAndOtherFilesAreNamed) {
  expect_error(ErrorKind::not_found, {"/nonexistent/model.gguf"}, [] { Checkpoint::open("/nonexistent/model.gguf"); });
  TempFolder folder;
  std::string file = folder.write("notes.txt", "hello");
  expect_error(ErrorKind::invalid_argument, {file, "not a GGUF file"}, [&] { Checkpoint::open(file); });
  file = folder.write("empty.gguf", "");
  expect_error(ErrorKind::invalid_argument, {file, "not a GGUF file"}, [&] { Checkpoint::open(file); });
}

}  // namespace
}  // namespace cairn
