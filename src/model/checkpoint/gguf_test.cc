#include "model/checkpoint/gguf.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "model/checkpoint/readers.h"
#include "model/checkpoint/test_files.h"

namespace cairn {
namespace {

using test::GgufWriter;

GgufFile parse(const std::string& bytes) {
  return parse_gguf({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

void expect_refused(const std::string& bytes, const std::vector<std::string>& parts,
                    ErrorKind kind = ErrorKind::invalid_argument) {
  test::expect_error(kind, parts, [&] { parse(bytes); });
}

std::string good(std::uint32_t version = 3) {
  GgufWriter w;
  w.header(2, 7, version).key_text("general.name", "tiny").key_texts("list", {"a", "bc"}).key_u32("size", 17);
  w.key_f32("eps", 0.5f).key("flag", test::kBool).number<std::uint8_t>(1);
  w.key("bytes", test::kArray).number<std::uint32_t>(test::kU8).number<std::uint64_t>(3);
  w.fill(3, '\x07');
  w.key("nested", test::kArray).number<std::uint32_t>(test::kArray).number<std::uint64_t>(2);
  for (int i = 0; i < 2; ++i) w.number<std::uint32_t>(test::kF32).number<std::uint64_t>(1).number(1.5f);
  w.tensor("x", {4, 2}, 0, 0).tensor("q", {32}, 8, 32).pad(32).fill(66, '\x01');
  return w.bytes;
}

TEST(Gguf, ReadsValuesAndTensorsOutermostDimensionFirst) {
  for (std::uint32_t version : {2u, 3u}) {
    std::string bytes = good(version);
    GgufFile file = parse(bytes);
    EXPECT_EQ(file.text("general.name"), "tiny");
    EXPECT_EQ(file.integer("size"), 17);
    EXPECT_EQ(file.real("eps"), 0.5);
    EXPECT_TRUE(file.boolean_or("flag", false));
    EXPECT_EQ(file.texts("list"), (std::vector<std::string>{"a", "bc"}));
    EXPECT_EQ(file.integers("bytes"), (std::vector<int>{7, 7, 7}));
    EXPECT_EQ(std::get<std::vector<GgufValue>>(file.values.at("nested").data).size(), 2u);
    ASSERT_EQ(file.tensors.size(), 2u);
    EXPECT_EQ(file.tensors[0].view.shape, Shape({2, 4}));
    EXPECT_EQ(file.tensors[1].view.dtype, DType::q8_0);
    EXPECT_EQ(reinterpret_cast<const char*>(file.tensors[1].view.data), bytes.data() + bytes.size() - 34);
  }
}

TEST(Gguf, GettersNameTheKeyAndWhatTheyExpect) {
  GgufFile file = parse(good());
  test::expect_error(ErrorKind::invalid_argument, {"general.name", "integer"}, [&] { file.integer("general.name"); });
  test::expect_error(ErrorKind::invalid_argument, {"'absent'", "missing"}, [&] { file.text("absent"); });
  test::expect_error(ErrorKind::invalid_argument, {"'bytes'", "strings"}, [&] { file.texts("bytes"); });
}

TEST(Gguf, EveryTruncationIsRefused) {
  std::string bytes = good();
  for (std::size_t length = 0; length < bytes.size(); ++length)
    EXPECT_THROW(parse(bytes.substr(0, length)), Error) << length;
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
  expect_refused(GgufWriter().header(1ull << 60, 0).bytes, {"tensors claimed"});
  expect_refused(GgufWriter().header(0, 1ull << 60).bytes, {"keys claimed"});
  for (auto type : {test::kU8, test::kString, test::kArray}) {
    GgufWriter array;
    array.header(0, 1).key("a", test::kArray).number<std::uint32_t>(type).number<std::uint64_t>(1ull << 61).fill(64);
    expect_refused(array.bytes, {"'a'", "claims"});
  }
  expect_refused(GgufWriter().header(0, 1).number<std::uint64_t>(1ull << 40).fill(64).bytes, {"65535"});
  expect_refused(GgufWriter().header(1, 0).tensor("x", {1ull << 39, 1ull << 39}, 0, 0).pad(32).bytes,
                 {"'x'", "too large"});
  expect_refused(GgufWriter().header(1, 0).tensor("x", {0, 1ull << 40, 1ull << 40, 8}, 0, 0).pad(32).bytes,
                 {"'x'", "too large"});
}

TEST(Gguf, TruncationNamesTheTensorAndTheRemedy) {
  GgufWriter w;
  w.header(1, 0).tensor("big", {1000}, 0, 0).pad(32).fill(64);
  expect_refused(w.bytes, {"truncated", "'big'", "4000", "download it again"});
}

TEST(Gguf, RefusesWhatWouldBeMisread) {
  expect_refused("GGML", {"does not begin"});
  expect_refused(GgufWriter().header(0, 0, 1).bytes, {"version 1"}, ErrorKind::unsupported);
  expect_refused(GgufWriter().header(0, 0, 0x03000000).bytes, {"big-endian"}, ErrorKind::unsupported);
  auto with = [](std::vector<std::uint64_t> dims, std::uint32_t type, std::uint64_t offset) {
    return GgufWriter().header(1, 0).tensor("x", dims, type, offset).pad(32).fill(256).bytes;
  };
  expect_refused(with({32}, 99, 0), {"'x'", "type 99"}, ErrorKind::unsupported);
  expect_refused(with({32}, 6, 0), {"'x'", "type Q5_0"}, ErrorKind::unsupported);
  expect_refused(with({31}, 8, 0), {"'x'", "whole blocks"});
  expect_refused(with({4}, 0, 8), {"'x'", "alignment"});
  expect_refused(with({4}, 0, 1ull << 62), {"truncated"});
  expect_refused(with({1, 1, 1, 1, 1}, 0, 0), {"5 dimensions"});
  expect_refused(GgufWriter().header(2, 0).tensor("x", {4}, 0, 0).tensor("x", {4}, 0, 32).pad(32).fill(64).bytes,
                 {"twice"});
  expect_refused(GgufWriter().header(2, 0).tensor("x", {16}, 0, 0).tensor("y", {4}, 0, 32).pad(32).fill(64).bytes,
                 {"'x' and 'y' overlap"});
  expect_refused(GgufWriter().header(0, 2).key_u32("a", 1).key_u32("a", 1).bytes, {"'a'", "twice"});
  expect_refused(GgufWriter().header(0, 1).key_u32("a\x1b[2J", 1).bytes, {"not a name"});
  expect_refused(GgufWriter().header(0, 1).key("a", test::kBool).number<std::uint8_t>(2).bytes, {"'a'", "bool"});
  expect_refused(GgufWriter().header(0, 1).text("a").number<std::uint32_t>(13).fill(8).bytes, {"'a'", "type 13"});
}

TEST(Gguf, NestedArraysAreBounded) {
  GgufWriter deep;
  deep.header(0, 1).key("a", test::kArray);
  for (int i = 0; i < 10; ++i) deep.number<std::uint32_t>(test::kArray).number<std::uint64_t>(1);
  expect_refused(deep.fill(64).bytes, {"'a'", "nested"});
}

TEST(GgufNames, AreTranslatedToHuggingFaces) {
  EXPECT_EQ(hugging_face_name("token_embd.weight"), "model.embed_tokens.weight");
  EXPECT_EQ(hugging_face_name("output.weight"), "lm_head.weight");
  EXPECT_EQ(hugging_face_name("blk.12.attn_q.weight"), "model.layers.12.self_attn.q_proj.weight");
  EXPECT_EQ(hugging_face_name("blk.0.attn_q.bias"), "model.layers.0.self_attn.q_proj.bias");
  EXPECT_EQ(hugging_face_name("blk.3.ffn_norm.weight"), "model.layers.3.post_attention_layernorm.weight");
  for (const char* other : {"rope_freqs.weight", "blk.", "blk.1", "blk.1.attn_q", "blk.1.new_part.weight", ""})
    EXPECT_EQ(hugging_face_name(other), other);
}

}  // namespace
}  // namespace cairn
