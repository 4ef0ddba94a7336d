// Names, URLs, and what is printed: models by name, addresses for load, progress, figures of a benchmark.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/error.h"
#include "cli/bench.h"
#include "cli/http_load.h"
#include "cli/model_names.h"
#include "cli/progress.h"
#include "cli/signals.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class ModelNames : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "cairn-models-" + std::to_string(getpid());
    fs::create_directories(directory_ + "/Folder-1B");
    fs::create_directories(directory_ + "/not-a-model");
    std::ofstream(directory_ + "/Folder-1B/config.json") << "{}";
    for (const char* name : {"Alpha-135M.gguf", "Beta-1B.gguf", "Beta-7B.gguf", "notes.txt"})
      std::ofstream(directory_ + "/" + name) << "x";
    setenv("CAIRN_MODEL_DIR", directory_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("CAIRN_MODEL_DIR");
    fs::remove_all(directory_);
  }
  static std::string error_of(const std::string& name) {
    try {
      return "found " + resolve_model(name);
    } catch (const Error& error) {
      return error.what();
    }
  }
  std::string directory_;
};

TEST_F(ModelNames, AreFoundWholeWithoutSuffixAndByABeginningInAnyCase) {
  EXPECT_EQ(resolve_model("Alpha-135M.gguf"), directory_ + "/Alpha-135M.gguf");
  EXPECT_EQ(resolve_model("alpha-135m"), directory_ + "/Alpha-135M.gguf");
  EXPECT_EQ(resolve_model("AL"), directory_ + "/Alpha-135M.gguf");
  EXPECT_EQ(resolve_model("beta-7"), directory_ + "/Beta-7B.gguf");
  EXPECT_EQ(resolve_model("folder"), directory_ + "/Folder-1B");
  EXPECT_EQ(resolve_model(directory_ + "/notes.txt"), directory_ + "/notes.txt") << "a path is taken as it is";
}

TEST_F(ModelNames, ThatMeanNoneOrSeveralSayWhatIsThere) {
  EXPECT_THAT(error_of("beta"), HasSubstr("could be any of: Beta-1B.gguf, Beta-7B.gguf"));
  EXPECT_THAT(error_of("gamma"), HasSubstr("Alpha-135M.gguf, Beta-1B.gguf, Beta-7B.gguf, Folder-1B"));
  EXPECT_THAT(error_of("gamma"), ::testing::Not(HasSubstr("not-a-model")));
  EXPECT_THAT(error_of(""), HasSubstr("no model is named"));
  fs::remove_all(directory_);
  EXPECT_THAT(error_of("gamma"), HasSubstr("(none there)"));
}

TEST(LoadUrl, IsTakenApart) {
  EXPECT_EQ(parse_load_url("http://127.0.0.1:8000").port, 8000);
  EXPECT_EQ(parse_load_url("http://localhost:81/v1").port, 81);
  EXPECT_EQ(parse_load_url("http://localhost").host, "127.0.0.1");
  EXPECT_EQ(parse_load_url("http://localhost/").port, 80);
  EXPECT_EQ(parse_load_url("http://[::1]:8000").host, "::1");
  EXPECT_EQ(parse_load_url("http://[::1]:8000").port, 8000);
  EXPECT_EQ(parse_load_url("http://[::1]").host, "::1");
  EXPECT_EQ(parse_load_url("http://[::1]").port, 80);
}

TEST(LoadUrl, OfAnotherMachineOrMalformedIsRefused) {
  for (const char* url :
       {"", "127.0.0.1:8000", "https://127.0.0.1:8000", "http://", "http://8.8.8.8:80", "http://example.org",
        "http://0.0.0.0:8000", "http://127.0.0.1:", "http://127.0.0.1:0", "http://127.0.0.1:65536",
        "http://127.0.0.1:80x", "http://127.0.0.1:-1", "http://user@127.0.0.1:1", "http://[::1", "http://::1:8000",
        "http://127.0.0.1.example.org:80"})
    EXPECT_THROW(parse_load_url(url), Error) << url;
}

TEST(ProgressLine, ShowsShareRateAndTimeLeft) {
  EXPECT_EQ(progress_line({"packing", "B", std::int64_t{1} << 30, std::int64_t{2} << 30, 2}, 100),
            "packing  50% [###############...............] 1.0 GiB of 2.0 GiB, 512.0 MiB/s, 2 s left");
  EXPECT_EQ(progress_line({"asking", "prompts", 3, 4, 120}, 60),
            "asking  75% [###..] 3 of 4 prompts, 0.0 prompts/s, 40 s left");
}

TEST(ProgressLine, HoldsItsWidthAndItsShare) {
  for (std::int64_t total : {0, 1, 7, 1000000})
    for (std::int64_t done : {0, 1, 5, 2000000})
      for (double seconds : {0.0, 0.001, 1.0, 1e6})
        for (int width : {0, 1, 10, 40, 79, 120, 1000})
          for (const char* unit : {"B", "prompts"}) {
            const std::string line = progress_line({"generating", unit, done, total, seconds}, width);
            EXPECT_LE(line.size(), static_cast<std::size_t>(width)) << line;
            if (width > 40) {
              EXPECT_THAT(line, ::testing::StartsWith("generating "));
            }
          }
  EXPECT_THAT(progress_line({"x", "y", 5, 0, 1}, 80), HasSubstr("100%"));
  EXPECT_THAT(progress_line({"x", "y", 9, 3, 1}, 80), HasSubstr("100%"));
}

TEST(HumanSeconds, ReadsWell) {
  EXPECT_EQ(human_seconds(-1), "0 s");
  EXPECT_EQ(human_seconds(0.4), "0 s");
  EXPECT_EQ(human_seconds(59.4), "59 s");
  EXPECT_EQ(human_seconds(59.5), "1 min 00 s");
  EXPECT_EQ(human_seconds(185), "3 min 05 s");
  EXPECT_EQ(human_seconds(3720), "1 h 02 min");
}

TEST(Bench, PercentilesInterpolate) {
  EXPECT_EQ(percentile({}, 0.5), 0);
  EXPECT_EQ(percentile({3}, 0.99), 3);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_EQ(percentile({1, 2}, 1.0), 2);
  EXPECT_DOUBLE_EQ(percentile({0, 10}, 0.9), 9);
}

// The status of a process of its own, since the signals stay blocked: `body` runs in it.
int status_of(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    body();
    _exit(7);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void send_self(int signal) { kill(getpid(), signal); }

TEST(SignalWatcher, HearsSignalsAndALateOneDoesNotKill) {
  EXPECT_EQ(status_of([] {
              std::atomic<int> heard{0};
              {
                SignalWatcher watcher([&](int signal) {
                  heard += signal == SIGINT ? 1 : 100;
                  return false;
                });
                for (int i = 1; i <= 3; ++i) {
                  send_self(SIGINT);
                  while (heard < i) usleep(1000);
                }
              }
              send_self(SIGTERM);
              usleep(50'000);
              if (heard != 3) _exit(8);
            }),
            7);
}

TEST(SignalWatcher, TheSecondSignalEndsAtAnyTime) {
  EXPECT_EQ(status_of([] {
              std::atomic<bool> heard{false};
              SignalWatcher watcher([&](int) { return heard = true; });
              send_self(SIGINT);
              while (!heard) usleep(1000);
              send_self(SIGTERM);
              sleep(60);
            }),
            128 + SIGTERM);
  EXPECT_EQ(status_of([] {
              std::atomic<bool> heard{false};
              {
                SignalWatcher watcher([&](int) { return heard = true; });
                send_self(SIGTERM);
                while (!heard) usleep(1000);
              }
              send_self(SIGINT);
              sleep(60);
            }),
            128 + SIGINT)
      << "the second came after the watcher's end";
  EXPECT_EQ(status_of([] {
              {
                SignalWatcher watcher([](int) { return false; });
              }
              send_self(SIGTERM);
              usleep(50'000);
              send_self(SIGTERM);
              sleep(60);
            }),
            128 + SIGTERM)
      << "both came after the watcher's end";
}

}  // namespace
}  // namespace cairn
