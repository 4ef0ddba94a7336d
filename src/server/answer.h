// The form of an answer: chat completions and completions each have one, in chunks and as a whole.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/tokenizer/tokenizer.h"
#include "server/bounded_json.h"
#include "server/output_mailbox.h"

namespace cairn::server {

/// What all answers to one HTTP request begin with.
struct AnswerHead {
  std::string id;
  std::int64_t created = 0;
  std::string model;
  int n = 1;  // choices a prompt
};

/// Counts tokens as pieces come in.
class UsageCounter {
 public:
  void add(const Piece& piece);
  /// {prompt_tokens, total_tokens, completion_tokens, prompt_tokens_details} of all prompts and choices.
  Json total() const;
  /// Of the piece's prompt and choice alone, as continuous_usage_stats wants it.
  static Json of(const Piece& piece);
  /// Counts no completion tokens (an echo without generation).
  void forget_completions() { no_completions_ = true; }

 private:
  struct PromptTokens {
    std::int64_t all = 0, cached = 0;
  };
  std::map<std::size_t, PromptTokens> prompts_;
  std::map<std::pair<std::size_t, int>, std::int64_t> completions_;
  bool no_completions_ = false;
};

/// Used for one request, from one strand.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  /// The chunks that a piece becomes in a stream; may be none.
  virtual std::vector<Json> chunks(const Piece& piece) = 0;
  /// A chunk with no choice, for the usage at a stream's end.
  virtual Json empty_chunk() const = 0;

  virtual void gather(Piece&& piece) = 0;
  /// The answer from all that was gathered, without usage.
  virtual Json whole() = 0;
};

/// null, a token id, or a stop string.
Json stop_reason_json(const RequestOutput& output);
Json finish_reason_json(const RequestOutput& output);

}  // namespace cairn::server
