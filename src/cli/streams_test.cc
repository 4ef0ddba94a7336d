// What comes in as a stream of bytes: server-sent events, lines of standard input.
#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <thread>

#include "base/error.h"
#include "cli/line_reader.h"
#include "cli/sse_reader.h"

namespace cairn {
namespace {

using ::testing::ElementsAre;
using Strings = std::vector<std::string>;

Strings events_of(const std::vector<std::string>& chunks) {
  SseReader reader;
  Strings events;
  for (const std::string& chunk : chunks) reader.push(chunk, [&](std::string_view data) { events.emplace_back(data); });
  return events;
}

const std::string kStream =
    ": a comment\n\n"
    "data: one\n\n"
    "data:two\r\n\r\n"
    "event: x\nid: 7\ndata: three\ndata:  four\ndata:\n\n"
    "\n\n"
    "data: {\"text\": \"\xe4\xbd\xa0\"}\n\n"
    "data:\n\n"
    "data: [DONE]\n\n"
    "data: never ended\n";
const Strings kEvents = {"one", "two", "three\n four\n", "{\"text\": \"\xe4\xbd\xa0\"}", "", "[DONE]"};

TEST(SseReader, GivesEachEventWhereverTheChunksEnd) {
  EXPECT_EQ(events_of({kStream}), kEvents);
  for (std::size_t cut = 0; cut <= kStream.size(); ++cut)
    EXPECT_EQ(events_of({kStream.substr(0, cut), kStream.substr(cut)}), kEvents) << cut;
  for (std::size_t size : {1, 2, 3, 5, 7}) {
    Strings chunks;
    for (std::size_t at = 0; at < kStream.size(); at += size) chunks.push_back(kStream.substr(at, size));
    EXPECT_EQ(events_of(chunks), kEvents) << size;
  }
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Strings chunks;
    for (std::size_t at = 0; at < kStream.size();) {
      const std::size_t size = random() % 20;
      chunks.push_back(kStream.substr(at, size));
      at += size;
    }
    EXPECT_EQ(events_of(chunks), kEvents);
  }
}

TEST(SseReader, AnEventComesWithItsBlankLineNotLater) {
  SseReader reader;
  int events = 0;
  const auto count = [&](std::string_view) { ++events; };
  reader.push("data: one\n", count);
  EXPECT_EQ(events, 0);
  reader.push("\n", count);
  EXPECT_EQ(events, 1);
}

TEST(SseReader, AnEventWithoutEndIsRefused) {
  SseReader reader(100);
  const auto ignore = [](std::string_view) {};
  for (int i = 0; i < 10; ++i) reader.push("data: " + std::string(50, 'x') + "\n\n", ignore);
  EXPECT_THROW(reader.push(std::string(101, 'x'), ignore), Error) << "a line";
  SseReader lines(100);
  EXPECT_THROW(for (int i = 0; i < 10; ++i) lines.push("data: " + std::string(50, 'x') + "\n", ignore), Error)
      << "lines of one event";
}

// A pipe in place of standard input, while it lives.
class StandardInput {
 public:
  StandardInput() : saved_(dup(STDIN_FILENO)) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    writer_ = ends[1];
  }
  ~StandardInput() {
    end();
    dup2(saved_, STDIN_FILENO);
    close(saved_);
  }
  void type(std::string_view text) const {
    ASSERT_EQ(write(writer_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void end() {
    if (writer_ >= 0) close(writer_);
    writer_ = -1;
  }

 private:
  int saved_, writer_ = -1;
};

using Kind = LineReader::Kind;

std::jthread interrupt_after(LineReader& reader, std::chrono::milliseconds time) {
  return std::jthread([&reader, time] {
    std::this_thread::sleep_for(time);
    reader.interrupt();
  });
}

TEST(LineReader, ReadsPlainLinesToTheEnd) {
  StandardInput input;
  LineReader reader("> ");
  EXPECT_FALSE(reader.interactive());
  input.type("one\n\n\xe4\xbd\xa0\xff two\nlast without a newline");
  input.end();
  Strings lines;
  LineReader::Line line = reader.read();
  for (; line.kind == Kind::line; line = reader.read()) lines.push_back(line.text);
  EXPECT_EQ(line.kind, Kind::end);
  EXPECT_THAT(lines, ElementsAre("one", "", "\xe4\xbd\xa0\xff two", "last without a newline"));
  EXPECT_EQ(reader.read().kind, Kind::end) << "the end stays the end";
}

TEST(LineReader, AnInterruptWakesTheReadThatWaits) {
  StandardInput input;
  LineReader reader("> ");
  std::jthread other = interrupt_after(reader, std::chrono::milliseconds(20));
  EXPECT_EQ(reader.read().kind, Kind::interrupted);
  other.join();
  input.type("next\n");
  EXPECT_EQ(reader.read().text, "next");
}

TEST(LineReader, AnInterruptIsForTheNextReadUnlessCleared) {
  StandardInput input;
  LineReader reader("> ");
  input.type("line\n");
  reader.interrupt();
  reader.interrupt();
  EXPECT_EQ(reader.read().kind, Kind::interrupted);
  EXPECT_EQ(reader.read().text, "line") << "two before a read are one";
  input.type("more\n");
  reader.interrupt();
  reader.clear_interrupt();
  EXPECT_EQ(reader.read().text, "more");
}

TEST(LineReader, HalfALineOutlivesAnInterrupt) {
  StandardInput input;
  LineReader reader("> ");
  input.type("hal");
  std::jthread other = interrupt_after(reader, std::chrono::milliseconds(50));
  EXPECT_EQ(reader.read().kind, Kind::interrupted);
  other.join();
  input.type("f\n");
  EXPECT_EQ(reader.read().text, "half");
}

}  // namespace
}  // namespace cairn
