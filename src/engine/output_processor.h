// The output side of the engine: detokenizes, finds stop strings, and hands pieces to the requests' sinks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "engine/engine.h"
#include "engine/request_state.h"
#include "engine/stop_strings.h"
#include "model/tokenizer/tokenizer.h"

namespace cairn {

/// Runs on the output thread, so that the scheduler never waits for text or sinks. Not thread-safe.
class OutputProcessor {
 public:
  OutputProcessor(const Tokenizer& tokenizer, Log log) : tokenizer_(tokenizer), log_(std::move(log)) {}

  /// A request whose outputs may follow.
  void start(std::shared_ptr<const RequestInfo> request, OutputSink sink);
  /// Gives one sequence's news to the sink. Outputs for a choice that ended already (a stop string is found one or more
  /// steps after its token was made) are dropped.
  void process(SequenceOutput&& output, EngineObserver* observer);

  struct Ended {
    std::uint64_t request_key;
    int index;  // -1: the whole request, its last piece delivered
  };
  /// What ended here since the last call: choices to be taken off the scheduler, and whole requests.
  std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }

 private:
  struct Choice {
    Choice(const Tokenizer& tokenizer, const SamplingParams& params)
        : detokenizer(tokenizer, params.skip_special_tokens), stop_strings(params.stop) {}
    StreamDetokenizer detokenizer;
    StopStringMatcher stop_strings;
    std::string held_text;  // could be the start of a stop string
    int num_tokens = 0;
    EngineClock::time_point last_token;
  };
  struct Live {
    std::shared_ptr<const RequestInfo> request;
    OutputSink sink;
    std::unordered_map<int, Choice> choices;  // begun and not ended
    std::vector<bool> done;
    int num_done = 0;
    int cached_tokens = 0;
    int generation_tokens = 0;
    std::optional<EngineClock::time_point> first_scheduled, first_token, last_token;
  };

  void take_token(Live& live, Choice& choice, const SequenceOutput& output, RequestOutput& piece,
                  EngineObserver* observer);
  void take_text(const SamplingParams& params, Choice& choice, std::string text, RequestOutput& piece);
  std::string detokenize(Choice& choice, int token);
  void deliver(Live& live, RequestOutput&& piece);
  static void report_finished(const Live& live, FinishReason reason, EngineClock::time_point now,
                              EngineObserver& observer);

  const Tokenizer& tokenizer_;
  Log log_;
  std::unordered_map<std::uint64_t, Live> live_;
  std::vector<Ended> ended_;
};

}  // namespace cairn
