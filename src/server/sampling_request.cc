#include "server/sampling_request.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "server/api_error.h"

namespace cairn::server {
namespace {

// Fields that mean something to vLLM and would change the answer, but that Cairn does not have yet.
constexpr const char* kUnsupported[] = {
    "guided_json",     "guided_regex",  "guided_choice",          "guided_grammar",     "structured_outputs",
    "use_beam_search", "prompt_embeds", "truncate_prompt_tokens", "logits_processors",  "kv_transfer_params",
    "functions",       "function_call", "thinking_token_budget",  "mm_processor_kwargs"};

void refuse_unsupported(const Fields& fields) {
  for (const char* name : kUnsupported) {
    const Json* value = fields.find(name);
    if (value == nullptr || *value == false || *value == "none") continue;
    throw ApiError(400, fmt::format("{} is unsupported", name), name);
  }
  if (const Json* format = fields.object("response_format")) {
    const std::optional<std::string> type = Fields(*format, "response_format.").text("type");
    if (!type || *type != "text") {
      throw ApiError(
          400, fmt::format("response_format of type {} is unsupported; the only one is text", type.value_or("null")),
          "response_format");
    }
  }
}

std::vector<std::pair<int, double>> read_logit_bias(const Fields& fields) {
  std::vector<std::pair<int, double>> biases;
  const Json* map = fields.object("logit_bias");
  if (map == nullptr) return biases;
  for (const auto& [key, bias] : map->items()) {
    int token = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error != std::errc{} || end != key.data() + key.size()) {
      throw ApiError(400, fmt::format("logit_bias must have token ids as keys, got \"{}\"", key.substr(0, 40)),
                     "logit_bias");
    }
    if (!bias.is_number()) fields.wrong_type("logit_bias", "an object whose values are numbers", bias);
    biases.emplace_back(token, bias.get<double>());
  }
  return biases;
}

void read_streaming(const Fields& fields, SharedRequest& request) {
  request.stream = fields.flag("stream", false);
  const Json* options = fields.object("stream_options");
  if (options == nullptr) return;
  if (!request.stream) {
    throw ApiError(400, "Stream options can only be defined when `stream=True`.", "stream_options");
  }
  const Fields members(*options, "stream_options.");
  request.include_usage = members.flag("include_usage", false);
  request.continuous_usage = request.include_usage && members.flag("continuous_usage_stats", false);
}

void read_stopping(const Fields& fields, SamplingParams& params) {
  params.max_tokens = fields.integer("max_completion_tokens");
  const std::optional<int> max_tokens = fields.integer("max_tokens");
  if (!params.max_tokens) params.max_tokens = max_tokens;
  params.min_tokens = fields.integer("min_tokens").value_or(0);
  params.stop = fields.texts("stop");
  params.stop_token_ids = fields.integers("stop_token_ids");
  params.include_stop_str_in_output = fields.flag("include_stop_str_in_output", false);
  params.ignore_eos = fields.flag("ignore_eos", false);
}

}  // namespace

SharedRequest read_shared_request(const Fields& fields, const GenerationConfig& defaults) {
  refuse_unsupported(fields);
  SharedRequest request;
  request.model = fields.text("model").value_or("");
  request.priority = fields.integer("priority").value_or(0);
  request.cache_salt = fields.text("cache_salt").value_or("");
  read_streaming(fields, request);

  SamplingParams& params = request.params;
  params.n = fields.integer("n").value_or(1);
  params.presence_penalty = fields.number("presence_penalty").value_or(0.0);
  params.frequency_penalty = fields.number("frequency_penalty").value_or(0.0);
  params.repetition_penalty = fields.number("repetition_penalty").value_or(defaults.repetition_penalty.value_or(1.0));
  params.temperature = fields.number("temperature").value_or(defaults.temperature.value_or(1.0));
  params.top_p = fields.number("top_p").value_or(defaults.top_p.value_or(1.0));
  params.top_k = fields.integer("top_k").value_or(defaults.top_k.value_or(0));
  params.min_p = fields.number("min_p").value_or(defaults.min_p.value_or(0.0));
  params.seed = fields.long_integer("seed");
  params.logit_bias = read_logit_bias(fields);
  params.bad_words = fields.texts("bad_words");
  params.allowed_token_ids = fields.integers("allowed_token_ids");
  params.skip_special_tokens = fields.flag("skip_special_tokens", true);
  params.prompt_logprobs = fields.integer("prompt_logprobs");
  if (params.prompt_logprobs && *params.prompt_logprobs != 0 && request.stream) {
    throw ApiError(400, "`prompt_logprobs` are not available when `stream=True`.", "prompt_logprobs");
  }
  read_stopping(fields, params);
  return request;
}

void fit_max_tokens(SamplingParams& params, std::size_t prompt_tokens, std::int64_t max_model_len,
                    std::optional<int> fallback) {
  const auto length = static_cast<std::int64_t>(prompt_tokens);
  if (length >= max_model_len) {
    throw ApiError(400, fmt::format("This model's maximum context length is {} tokens. However, your request has {} "
                                    "input tokens. Please reduce the length of the input messages.",
                                    max_model_len, length));
  }
  const std::int64_t room = max_model_len - length;
  if (params.max_tokens && *params.max_tokens > room) {
    throw ApiError(400,
                   fmt::format("'max_tokens' or 'max_completion_tokens' is too large: {}. This model's maximum context "
                               "length is {} tokens and your request has {} input tokens ({} > {} - {}).",
                               *params.max_tokens, max_model_len, length, *params.max_tokens, max_model_len, length),
                   "max_tokens");
  }
  if (!params.max_tokens) params.max_tokens = static_cast<int>(std::min<std::int64_t>(fallback.value_or(room), room));
}

}  // namespace cairn::server
