// An answer in the making: takes the engine's pieces, gives what goes to the client.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/outputs.h"
#include "server/generation_request.h"
#include "server/json_body.h"

namespace cairn {

/// What all answers say of themselves.
struct AnswerHead {
  std::string id;  // "chatcmpl-…", "cmpl-…"
  std::string model;
  std::int64_t created = 0;  // seconds since 1970
};

/// Writes a streamed answer as events, or a whole one as a JSON object.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  /// A piece of prompt number `prompt`; a streamed answer appends its events to `out`.
  virtual void take(RequestOutput&& piece, int prompt, std::string& out) = 0;
  /// All pieces are in: appends the last events, or the whole body.
  virtual void end(std::string& out) = 0;
};

/// Counts tokens over the prompts and choices of a request.
class UsageCounter {
 public:
  explicit UsageCounter(std::size_t prompts, int choices)
      : prompt_tokens_(prompts), cached_tokens_(prompts), completion_tokens_(prompts * static_cast<std::size_t>(choices)) {}
  /// `choice`: the index over all prompts.
  void take(const RequestOutput& piece, int prompt, int choice);
  /// {prompt_tokens, total_tokens, completion_tokens, prompt_tokens_details: {cached_tokens}}.
  Json usage() const;
  /// The same of one choice alone, for continuous_usage_stats.
  Json usage_of(int prompt, int choice) const;

 private:
  std::vector<std::int64_t> prompt_tokens_, cached_tokens_, completion_tokens_;
};

/// finish_reason and stop_reason as JSON values.
Json finish_reason_json(const RequestOutput& piece);
Json stop_reason_json(const RequestOutput& piece);

}  // namespace cairn
