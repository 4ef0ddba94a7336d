#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "base/error.h"
#include "base/log.h"
#include "base/mapped_file.h"
#include "base/text.h"

namespace cairn {
namespace {

TEST(Text, CompleteUtf8PrefixHoldsBackOnlyAnUnfinishedCharacter) {
  EXPECT_EQ(complete_utf8_prefix("abc"), 3u);
  EXPECT_EQ(complete_utf8_prefix("a\xE4\xBD"), 1u);
  EXPECT_EQ(complete_utf8_prefix("a\xE4\xBD\xA0"), 4u);
  EXPECT_EQ(complete_utf8_prefix("\xF0\x9F\x98"), 0u);
  EXPECT_EQ(complete_utf8_prefix("a\xFF"), 2u) << "an invalid byte will never be completed";
  EXPECT_EQ(complete_utf8_prefix("\x80\x80\x80\x80\x80"), 5u);
  EXPECT_EQ(complete_utf8_prefix(""), 0u);
}

TEST(Text, ShortenCutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(shorten("abc", 3), "abc");
  EXPECT_EQ(shorten("abcd", 3), "abc…");
  EXPECT_EQ(shorten("ab\xE4\xBD\xA0", 4), "ab…");
  EXPECT_EQ(shorten("\xE4\xBD\xA0z", 3), "\xE4\xBD\xA0…");
  EXPECT_EQ(shorten("", 0), "");
}

TEST(Text, SanitizeReplacesMaximalSubparts) {
  EXPECT_EQ(sanitize_utf8("ok\xE4\xBDz"), "ok\xEF\xBF\xBDz");
  EXPECT_EQ(sanitize_utf8("\xC0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(sanitize_utf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(Text, ParsesSizesAndNamesTheOption) {
  EXPECT_EQ(parse_bytes("4GiB", "x"), std::uint64_t{4} << 30);
  EXPECT_EQ(parse_bytes("1.5k", "x"), 1536u);
  EXPECT_EQ(parse_bytes("17", "x"), 17u);
  try {
    parse_bytes("many", "--kv-cache-memory");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(error.what()).find("--kv-cache-memory"), std::string::npos);
  }
}

TEST(Text, NearestNameFindsTypos) {
  std::array<std::string, 3> names = {"temperature", "top_p", "max_tokens"};
  EXPECT_EQ(nearest_name("temprature", names), "temperature");
  EXPECT_EQ(nearest_name("zzzzzz", names), "");
}

TEST(MappedFile, MapsAndReportsMissingFiles) {
  std::string path = ::testing::TempDir() + "mapped_file_test";
  std::ofstream(path) << "hello";
  MappedFile file(path);
  EXPECT_EQ(file.bytes().size(), 5u);
  EXPECT_EQ(read_text_file(path), "hello");
  EXPECT_THROW(read_text_file(path, 4), Error);
  std::remove(path.c_str());
  EXPECT_THROW(MappedFile("/nonexistent/file"), Error);
}

TEST(Log, RejectsUnknownLevels) {
  EXPECT_NO_THROW(make_log("warning"));
  EXPECT_THROW(make_log("loud"), Error);
}

}  // namespace
}  // namespace cairn
