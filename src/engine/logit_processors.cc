#include "engine/logit_processors.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"

namespace cairn {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();
constexpr float kLargest = std::numeric_limits<float>::max();

bool has_penalties(const SamplingParams& params) {
  return params.repetition_penalty != 1.0 || params.frequency_penalty != 0.0 || params.presence_penalty != 0.0;
}

bool below_min_tokens(const Sequence& sequence) {
  return static_cast<int>(sequence.output.size()) < sequence.request->params.min_tokens;
}

void keep_allowed(std::span<float> row, const std::vector<int>& allowed) {
  std::vector<float> kept;
  kept.reserve(allowed.size());
  for (const int id : allowed) kept.push_back(row[id]);
  std::ranges::fill(row, kMasked);
  for (std::size_t i = 0; i < allowed.size(); ++i) row[allowed[i]] = kept[i];
}

// Masks the last token of a bad word when the output so far ends in its other tokens.
void mask_bad_words(std::span<float> row, const Sequence& sequence) {
  const std::span<const int> output = sequence.output;
  for (const std::vector<int>& word : sequence.request->bad_words) {
    const std::span<const int> prefix(word.data(), word.size() - 1);
    if (output.size() >= prefix.size() && std::ranges::equal(output.last(prefix.size()), prefix)) {
      row[word.back()] = kMasked;
    }
  }
}

TokenCounts::Entry& count_entry(TokenCounts& counts, int token) {
  const auto [it, added] = counts.position.emplace(token, counts.entries.size());
  if (added) counts.entries.push_back({token, false, 0});
  return counts.entries[it->second];
}

void update_counts(Sequence& sequence) {
  TokenCounts& counts = sequence.counts;
  const bool prompt_matters = sequence.request->params.repetition_penalty != 1.0;
  if (prompt_matters && !std::exchange(counts.prompt_counted, true)) {
    for (const int token : sequence.request->prompt) count_entry(counts, token).in_prompt = true;
  }
  while (counts.outputs_counted < sequence.output.size()) {
    ++count_entry(counts, sequence.output[counts.outputs_counted++]).in_output;
  }
}

void apply_penalties(std::span<float> row, Sequence& sequence) {
  update_counts(sequence);
  const SamplingParams& params = sequence.request->params;
  const auto repetition =
      static_cast<float>(std::clamp<double>(params.repetition_penalty, std::numeric_limits<float>::min(), kLargest));
  const auto frequency = static_cast<float>(params.frequency_penalty);
  const auto presence = static_cast<float>(params.presence_penalty);
  for (const TokenCounts::Entry& entry : sequence.counts.entries) {
    float& logit = row[entry.token];
    if (repetition != 1.0f) logit = logit > 0 ? std::min(logit / repetition, kLargest) : logit * repetition;
    logit -= frequency * static_cast<float>(entry.in_output);
    if (entry.in_output > 0) logit -= presence;
  }
}

}  // namespace

bool has_logit_processors(const Sequence& sequence) {
  const RequestInfo& request = *sequence.request;
  return !request.params.allowed_token_ids.empty() || !request.bad_words.empty() || below_min_tokens(sequence) ||
         !request.params.logit_bias.empty() || has_penalties(request.params);
}

void apply_logit_processors(std::span<float> row, Sequence& sequence) {
  const RequestInfo& request = *sequence.request;
  if (!request.params.allowed_token_ids.empty()) keep_allowed(row, request.params.allowed_token_ids);
  mask_bad_words(row, sequence);
  if (below_min_tokens(sequence)) {
    for (const int id : request.eos_token_ids) row[id] = kMasked;
    for (const int id : request.params.stop_token_ids) row[id] = kMasked;
  }
  for (const auto& [id, bias] : request.params.logit_bias) row[id] += static_cast<float>(bias);
  if (has_penalties(request.params)) apply_penalties(row, sequence);
}

std::vector<std::vector<int>> tokenize_bad_words(std::span<const std::string> words, const Tokenizer& tokenizer,
                                                 int vocab_size) {
  std::vector<std::vector<int>> result;
  for (const std::string& word : words) {
    const std::size_t first = std::min(word.find_first_not_of(" \t\n\r\f\v"), word.size());
    const std::string bare = word.substr(first);
    std::vector<int> plain = tokenizer.encode(bare, false);
    if (plain.empty()) fail_invalid("bad_words entries must tokenize to at least one token.");
    std::vector<int> spaced = tokenizer.encode(" " + bare, false);
    const bool differs = !spaced.empty() && spaced.front() != plain.front() && spaced.size() == plain.size();
    result.push_back(std::move(plain));
    if (differs) result.push_back(std::move(spaced));
  }
  for (const std::vector<int>& tokens : result) {
    for (const int id : tokens) {
      if (id >= 0 && id < vocab_size) continue;
      fail_invalid(
          "The model vocabulary size is {}, but token {} was specified as bad. All token id values should be "
          "integers satisfying: 0 <= token_id < {}.",
          vocab_size, id, vocab_size);
    }
  }
  return result;
}

}  // namespace cairn
