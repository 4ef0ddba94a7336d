#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/describe.h"
#include "model/checkpoint/gguf.h"

namespace cairn {
namespace {

// Writes the format, right or wrong.
class Writer {
 public:
  template <typename T>
  Writer& number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Writer& text(const std::string& value) {
    number<std::uint64_t>(value.size());
    bytes += value;
    return *this;
  }
  Writer& header(std::uint64_t tensors, std::uint64_t keys) {
    bytes += "GGUF";
    return number<std::uint32_t>(3).number(tensors).number(keys);
  }
  Writer& tensor(const std::string& name, std::vector<std::uint64_t> dims, std::uint32_t type, std::uint64_t offset) {
    text(name).number<std::uint32_t>(static_cast<std::uint32_t>(dims.size()));
    for (auto dim : dims) number(dim);
    return number(type).number(offset);
  }
  Writer& pad(std::size_t unit) {
    bytes.resize((bytes.size() + unit - 1) / unit * unit);
    return *this;
  }
  std::string bytes;
};

GgufFile parse(const std::string& bytes) { return parse_gguf({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}); }

std::string good() {
  Writer w;
  w.header(2, 3);
  w.text("general.name").number<std::uint32_t>(8).text("tiny");
  w.text("list").number<std::uint32_t>(9).number<std::uint32_t>(8).number<std::uint64_t>(2).text("a").text("bc");
  w.text("size").number<std::uint32_t>(4).number<std::uint32_t>(17);
  w.tensor("x", {4, 2}, 0, 0).tensor("q", {32}, 8, 32).pad(32);
  w.bytes += std::string(66, '\x01');
  return w.bytes;
}

void expect_refused(const std::string& bytes, const std::string& part) {
  try {
    parse(bytes);
    ADD_FAILURE() << "accepted; expected: " << part;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Gguf, ReadsValuesAndTensorsOutermostDimensionFirst) {
  std::string bytes = good();
  GgufFile file = parse(bytes);
  EXPECT_EQ(file.text("general.name"), "tiny");
  EXPECT_EQ(file.integer("size"), 17);
  EXPECT_EQ(file.texts("list"), (std::vector<std::string>{"a", "bc"}));
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_EQ(file.tensors[0].view.shape, Shape({2, 4}));
  EXPECT_EQ(file.tensors[1].view.dtype, DType::q8_0);
  EXPECT_THROW(file.integer("general.name"), Error);
  EXPECT_THROW(file.text("absent"), Error);
}

TEST(Gguf, EveryTruncationIsRefused) {
  std::string bytes = good();
  for (std::size_t length = 0; length < bytes.size(); ++length) EXPECT_THROW(parse(bytes.substr(0, length)), Error) << length;
}

TEST(Gguf, NoFlippedBitCrashes) {
  const std::string bytes = good();
  int refused = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      parse(damaged);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 400);
}

TEST(Gguf, CountsAndSizesAreCheckedBeforeAnythingIsAllocated) {
  expect_refused(Writer().header(1ull << 60, 0).bytes, "tensors claimed");
  expect_refused(Writer().header(0, 1ull << 60).bytes, "keys claimed");
  Writer array;
  array.header(0, 1).text("a").number<std::uint32_t>(9).number<std::uint32_t>(0).number<std::uint64_t>(1ull << 50);
  expect_refused(array.bytes + std::string(64, 'x'), "claims");
  Writer text;
  text.header(0, 1).number<std::uint64_t>(1ull << 40);
  expect_refused(text.bytes + std::string(64, 'x'), "65535");
  Writer dims;
  dims.header(1, 0).tensor("x", {1ull << 39, 1ull << 39}, 0, 0);
  expect_refused(dims.pad(32).bytes + std::string(64, 'x'), "too large");
}

TEST(Gguf, RefusesWhatWouldBeMisread) {
  expect_refused("GGML", "does not begin");
  Writer version;
  version.bytes = "GGUF";
  version.number<std::uint32_t>(1).number<std::uint64_t>(0).number<std::uint64_t>(0);
  expect_refused(version.bytes, "version 1");
  auto with = [](std::vector<std::uint64_t> dims, std::uint32_t type, std::uint64_t offset) {
    Writer w;
    w.header(1, 0).tensor("x", std::move(dims), type, offset).pad(32);
    return w.bytes + std::string(256, '\0');
  };
  expect_refused(with({32}, 99, 0), "type 99");
  expect_refused(with({31}, 8, 0), "whole blocks");
  expect_refused(with({4}, 0, 8), "alignment");
  expect_refused(with({4}, 0, 1ull << 62), "truncated");
  Writer twice;
  twice.header(2, 0).tensor("x", {4}, 0, 0).tensor("x", {4}, 0, 32).pad(32);
  expect_refused(twice.bytes + std::string(64, '\0'), "twice");
  Writer overlap;
  overlap.header(2, 0).tensor("x", {16}, 0, 0).tensor("y", {4}, 0, 32).pad(32);
  expect_refused(overlap.bytes + std::string(64, '\0'), "overlap");
  Writer deep;
  deep.header(0, 1).text("a").number<std::uint32_t>(9);
  for (int i = 0; i < 10; ++i) deep.number<std::uint32_t>(9).number<std::uint64_t>(1);
  expect_refused(deep.bytes + std::string(64, '\0'), "nested");
}

TEST(Checkpoint, MissingPathsAreNotFound) {
  try {
    Checkpoint::open("/nonexistent/model.gguf");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
  }
}

TEST(Checkpoint, OpensTheRealSmolLM2) {
  const char* dir = std::getenv("CAIRN_MODEL_DIR");
  const char* home = std::getenv("HOME");
  std::string folder = dir ? dir : std::string(home ? home : "") + "/.cache/cairn/models";
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
  EXPECT_EQ(checkpoint->generation().eos_token_ids, (std::vector<int>{2}));
  EXPECT_NE(checkpoint->tokenizer().chat_template.find("im_start"), std::string::npos);
  EXPECT_NE(describe(*checkpoint).find("model.layers.29.mlp.down_proj.weight"), std::string::npos);
}

}  // namespace
}  // namespace cairn
