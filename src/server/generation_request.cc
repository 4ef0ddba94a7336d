#include "server/generation_request.h"

#include <charconv>

#include "server/errors.h"

namespace cairn {
namespace {

// Understood, but not available: asking for one is refused rather than ignored, as the answer would not be what was
// asked for.
constexpr const char* kUnsupported[] = {
    "use_beam_search",      "guided_json",           "guided_regex",    "guided_choice",  "guided_grammar",
    "structured_outputs",   "structural_tag",        "logits_processors", "truncate_prompt_tokens",
    "kv_transfer_params",   "thinking_token_budget", "vllm_xargs",      "return_token_ids",
};

void parse_logit_bias(Fields& fields, SamplingParams& params) {
  const Json* map = fields.find_object("logit_bias");
  if (!map) return;
  for (const auto& member : map->items()) {
    const std::string& key = member.key();
    int id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size()) {
      fail_field("logit_bias", "`logit_bias` keys must be token ids, got \"{}\"", key.substr(0, 64));
    }
    if (!member.value().is_number()) fields.fail_type("logit_bias", "a map from token ids to numbers", member.value());
    params.logit_bias.emplace_back(id, member.value().get<double>());
  }
}

void parse_stream_options(Fields& fields, GenerationRequest& request) {
  request.stream = fields.flag("stream").value_or(false);
  const Json* object = fields.find_object("stream_options");
  if (!object) return;
  if (!request.stream) fail_field("stream_options", "Stream options can only be defined when `stream=True`.");
  Fields options(*object, "stream_options.");
  request.include_usage = options.flag("include_usage").value_or(false);
  request.continuous_usage_stats = request.include_usage && options.flag("continuous_usage_stats").value_or(false);
}

void parse_response_format(Fields& fields) {
  const Json* object = fields.find_object("response_format");
  if (!object) return;
  Fields format(*object, "response_format.");
  const std::string type = format.text("type").value_or("text");
  if (type != "text") fail_field("response_format", "unsupported: `response_format` of type \"{}\"; only \"text\"", type);
}

void parse_numbers(Fields& fields, const GenerationConfig& defaults, SamplingParams& params) {
  const auto given = [&](const char* name, const std::optional<double>& fallback, double standard) {
    return fields.number(name).value_or(fallback.value_or(standard));
  };
  params.temperature = given("temperature", defaults.temperature, params.temperature);
  params.top_p = given("top_p", defaults.top_p, params.top_p);
  params.min_p = given("min_p", defaults.min_p, params.min_p);
  params.repetition_penalty = given("repetition_penalty", defaults.repetition_penalty, params.repetition_penalty);
  params.presence_penalty = given("presence_penalty", std::nullopt, params.presence_penalty);
  params.frequency_penalty = given("frequency_penalty", std::nullopt, params.frequency_penalty);
  params.top_k = fields.int32("top_k").value_or(defaults.top_k.value_or(params.top_k));
  params.n = fields.int32("n").value_or(1);
  params.seed = fields.integer("seed");
  params.min_tokens = fields.int32("min_tokens").value_or(0);
  params.prompt_logprobs = fields.int32("prompt_logprobs");
}

}  // namespace

GenerationRequest parse_generation(Fields& fields, const GenerationConfig& defaults) {
  GenerationRequest request;
  request.model = fields.text("model").value_or("");
  parse_stream_options(fields, request);
  SamplingParams& params = request.params;
  parse_numbers(fields, defaults, params);
  parse_logit_bias(fields, params);
  parse_response_format(fields);
  for (const char* name : kUnsupported) fields.refuse(name);
  params.stop = fields.texts("stop");
  params.stop_token_ids = fields.integers("stop_token_ids");
  params.include_stop_str_in_output = fields.flag("include_stop_str_in_output").value_or(false);
  params.ignore_eos = fields.flag("ignore_eos").value_or(false);
  params.skip_special_tokens = fields.flag("skip_special_tokens").value_or(true);
  params.bad_words = fields.texts("bad_words");
  if (const Json* allowed = fields.find_array("allowed_token_ids")) {
    if (allowed->empty()) fail_field("allowed_token_ids", "allowed_token_ids is not None and empty!");
    params.allowed_token_ids = fields.integers("allowed_token_ids");
  }
  if (request.stream && params.prompt_logprobs.value_or(0) != 0) {
    fail_field("prompt_logprobs", "`prompt_logprobs` are not available when `stream=True`.");
  }
  request.tokens_as_ids = fields.flag("return_tokens_as_token_ids").value_or(false);
  request.priority = fields.int32("priority").value_or(0);
  if (const auto salt = fields.text("cache_salt")) {
    if (salt->empty()) fail_field("cache_salt", "`cache_salt` must be a non-empty string");
    request.cache_salt = *salt;
  }
  const int best_of = fields.int32("best_of").value_or(params.n);
  if (best_of != params.n) {
    fail_field("best_of", "unsupported: `best_of` must equal `n` ({}), got {}", params.n, best_of);
  }
  for (const char* name : {"user", "store", "metadata", "service_tier", "spaces_between_special_tokens",
                           "length_penalty", "request_id", "include_reasoning"}) {
    fields.find(name);  // no effect on the answer
  }
  return request;
}

void check_length(std::int64_t prompt_tokens, const SamplingParams& params, std::int64_t max_model_len) {
  if (prompt_tokens >= max_model_len) {
    throw HttpError(400, fmt::format("This model's maximum context length is {} tokens. However, your request has {} "
                                     "input tokens. Please reduce the length of the input messages.",
                                     max_model_len, prompt_tokens));
  }
  if (params.max_tokens && prompt_tokens + *params.max_tokens > max_model_len) {
    fail_field("max_tokens",
               "'max_tokens' or 'max_completion_tokens' is too large: {}. This model's maximum context length is {} "
               "tokens and your request has {} input tokens ({} > {} - {}).",
               *params.max_tokens, max_model_len, prompt_tokens, *params.max_tokens, max_model_len, prompt_tokens);
  }
}

}  // namespace cairn
