#include "engine/sampling_params.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"

namespace cairn {
namespace {

constexpr int kMaxSequences = 16384;
constexpr double kLowestTemperature = 0.01;  // lower ones overflow after division

// Clients compare messages with vLLM's, which prints numbers as Python does: 3.0, not 3.
std::string number(double value) {
  std::string text = fmt::format("{}", value);
  const bool integral = text.find_first_not_of("-0123456789") == std::string::npos;
  return integral ? text + ".0" : text;
}

void check_range(const char* name, double value, double low, double high, const char* range) {
  if (!(value >= low && value <= high)) fail_invalid("{} must be in {}, got {}.", name, range, number(value));
}

void check_penalties(const SamplingParams& p) {
  check_range("presence_penalty", p.presence_penalty, -2, 2, "[-2, 2]");
  check_range("frequency_penalty", p.frequency_penalty, -2, 2, "[-2, 2]");
  if (!std::isfinite(p.repetition_penalty)) {
    fail_invalid("repetition_penalty must be a finite number, got {}.", number(p.repetition_penalty));
  }
  if (p.repetition_penalty <= 0) {
    fail_invalid("repetition_penalty must be greater than zero, got {}.", number(p.repetition_penalty));
  }
}

void check_filters(const SamplingParams& p) {
  if (!std::isfinite(p.temperature)) {
    fail_invalid("temperature must be a finite number, got {}.", number(p.temperature));
  }
  if (p.temperature < 0) fail_invalid("temperature must be non-negative, got {}.", number(p.temperature));
  check_range("temperature", p.temperature, 0, 2, "[0, 2]");
  if (!(p.top_p > 0 && p.top_p <= 1)) fail_invalid("top_p must be in (0, 1], got {}.", number(p.top_p));
  if (p.top_k < -1) fail_invalid("top_k must be 0 (disable), or at least 1, got {}.", p.top_k);
  check_range("min_p", p.min_p, 0, 1, "[0, 1]");
}

void check_lengths(const SamplingParams& p) {
  if (p.n < 1) fail_invalid("n must be at least 1, got {}.", p.n);
  if (p.n > kMaxSequences) fail_invalid("n must be at most {}, got {}.", kMaxSequences, p.n);
  if (p.max_tokens && *p.max_tokens < 1) fail_invalid("max_tokens must be at least 1, got {}.", *p.max_tokens);
  if (p.min_tokens < 0) fail_invalid("min_tokens must be greater than or equal to 0, got {}.", p.min_tokens);
  if (p.max_tokens && p.min_tokens > *p.max_tokens) {
    fail_invalid("min_tokens must be less than or equal to max_tokens={}, got {}.", *p.max_tokens, p.min_tokens);
  }
  if (p.logprobs && *p.logprobs < -1) fail_invalid("logprobs must be non-negative or -1, got {}.", *p.logprobs);
  if (p.prompt_logprobs && *p.prompt_logprobs < -1) {
    fail_invalid("prompt_logprobs must be non-negative or -1, got {}.", *p.prompt_logprobs);
  }
}

void check_texts(const SamplingParams& p) {
  const auto empty = [](const std::string& text) { return text.empty(); };
  if (std::ranges::any_of(p.stop, empty)) fail_invalid("stop cannot contain an empty string.");
  if (!p.stop.empty() && !p.detokenize) {
    fail_invalid("stop strings are only supported when detokenize is True. Set detokenize=True to use stop.");
  }
  if (std::ranges::any_of(p.bad_words, empty)) fail_invalid("bad_words cannot contain an empty string.");
}

void check_token_ids(const SamplingParams& p, int vocab_size) {
  const auto outside = [vocab_size](int id) { return id < 0 || id >= vocab_size; };
  const auto check = [&](const char* name, std::span<const int> ids) {
    std::vector<int> wrong;
    std::ranges::copy_if(ids, std::back_inserter(wrong), outside);
    if (wrong.empty()) return;
    if (wrong.size() > 16) wrong.resize(16);  // a hostile list must not become a huge message
    fail_invalid("token_id(s) [{}] in {} contain out-of-vocab token ids. Vocabulary size: {}", fmt::join(wrong, ", "),
                 name, vocab_size);
  };
  check("stop_token_ids", p.stop_token_ids);
  std::vector<int> biased;
  for (const auto& [id, bias] : p.logit_bias) {
    if (std::isnan(bias)) fail_invalid("logit_bias of token {} must be a number, got nan.", id);
    biased.push_back(id);
  }
  check("logit_bias", biased);
  if (std::ranges::any_of(p.allowed_token_ids, outside)) {
    fail_invalid("allowed_token_ids contains out-of-vocab token id!");
  }
}

template <typename T>
void drop_duplicates(std::vector<T>& values) {
  std::ranges::sort(values);
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

void SamplingParams::validate(int vocab_size) {
  if (seed && *seed == -1) seed.reset();
  check_lengths(*this);
  check_penalties(*this);
  check_filters(*this);
  check_texts(*this);
  check_token_ids(*this, vocab_size);
  if (temperature > 0 && temperature < kLowestTemperature && !greedy()) temperature = kLowestTemperature;
  if (greedy()) {
    if (n > 1) fail_invalid("n must be 1 when using greedy sampling, got {}.", n);
    top_p = 1.0;
    top_k = 0;
    min_p = 0.0;
  }
  if (top_k == -1 || top_k >= vocab_size) top_k = 0;
  for (auto& [id, bias] : logit_bias) bias = std::clamp(bias, -100.0, 100.0);
  drop_duplicates(stop_token_ids);
  drop_duplicates(allowed_token_ids);
  drop_duplicates(bad_words);
}

}  // namespace cairn
