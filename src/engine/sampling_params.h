// What a request may ask of sampling; vLLM's names, ranges and defaults (vllm/sampling_params.py).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cairn {

struct SamplingParams {
  int n = 1;
  double presence_penalty = 0.0;
  double frequency_penalty = 0.0;
  double repetition_penalty = 1.0;
  double temperature = 1.0;  // below 1e-5: greedy; (0, 0.01) is raised to 0.01
  double top_p = 1.0;
  int top_k = 0;  // 0 or -1: off
  double min_p = 0.0;
  std::optional<std::int64_t> seed;
  std::optional<int> max_tokens = 16;  // none: up to the model's length
  int min_tokens = 0;
  std::vector<std::string> stop;
  std::vector<int> stop_token_ids;
  bool include_stop_str_in_output = false;
  bool ignore_eos = false;
  std::vector<std::pair<int, double>> logit_bias;
  std::vector<std::string> bad_words;
  std::vector<int> allowed_token_ids;  // empty: all
  std::optional<int> logprobs;         // number of alternatives; the sampled token is always included
  std::optional<int> prompt_logprobs;
  bool skip_special_tokens = true;
  bool detokenize = true;

  bool greedy() const { return temperature < 1e-5; }
  /// Throws invalid_argument in vLLM's words when a value is out of range; normalises (greedy switches filters off,
  /// low temperatures are raised). `vocab_size` bounds the token ids.
  void validate(int vocab_size);
};

}  // namespace cairn
