#include "server/completion_request.h"

#include <algorithm>

#include "server/api_error.h"

namespace cairn::server {
namespace {

constexpr const char* kPromptForms = "a string, a list of strings, a list of token ids, or a list of such lists";
constexpr std::size_t kMaxPrompts = 4096;

std::vector<int> read_token_ids(const Json& list, const Fields& fields) {
  return to_ints(list, [&](const Json& wrong) { fields.wrong_type("prompt", kPromptForms, wrong); });
}

std::vector<Prompt> read_prompts(const Fields& fields) {
  const Json* prompt = fields.find("prompt");
  if (prompt == nullptr) throw ApiError(400, fmt::format("prompt must be {}", kPromptForms), "prompt");
  if (prompt->is_string()) return {prompt->get<std::string>()};
  if (!prompt->is_array()) fields.wrong_type("prompt", kPromptForms, *prompt);
  if (prompt->empty()) throw ApiError(400, "prompt must not be an empty list", "prompt");
  if (prompt->front().is_number()) return {read_token_ids(*prompt, fields)};
  if (prompt->size() > kMaxPrompts) {
    throw ApiError(400, fmt::format("prompt holds {} prompts, the limit is {}", prompt->size(), kMaxPrompts), "prompt");
  }
  std::vector<Prompt> prompts;
  for (const Json& item : *prompt) {
    if (item.is_string()) {
      prompts.emplace_back(item.get<std::string>());
    } else if (item.is_array()) {
      prompts.emplace_back(read_token_ids(item, fields));
    } else {
      fields.wrong_type("prompt", kPromptForms, item);
    }
  }
  return prompts;
}

}  // namespace

CompletionRequest parse_completion_request(const Json& body, const GenerationConfig& defaults) {
  const Fields fields(body);
  CompletionRequest request;
  request.shared = read_shared_request(fields, defaults);
  request.prompts = read_prompts(fields);
  request.echo = fields.flag("echo", false);
  request.add_special_tokens = fields.flag("add_special_tokens", true);

  SamplingParams& params = request.shared.params;
  if (!fields.text("suffix").value_or("").empty()) throw ApiError(400, "suffix is unsupported", "suffix");
  const std::optional<int> best_of = fields.integer("best_of");
  if (best_of && *best_of != params.n) {
    throw ApiError(400, fmt::format("best_of is unsupported unless it equals n, got {} with n {}", *best_of, params.n),
                   "best_of");
  }
  params.logprobs = fields.integer("logprobs");
  if (params.logprobs && *params.logprobs < 0) {
    throw ApiError(400, fmt::format("`logprobs` must be a non-negative value, got {}.", *params.logprobs), "logprobs");
  }
  request.shows_prompt_logprobs = params.prompt_logprobs.has_value();
  if (request.echo && params.logprobs && !params.prompt_logprobs) params.prompt_logprobs = params.logprobs;
  if (request.echo && params.max_tokens == 0) {
    request.echo_only = true;
    params.max_tokens = 1;  // the engine answers with at least one token, which is then not shown
  }
  return request;
}

}  // namespace cairn::server
