#include "server/text_completion_request.h"

#include <limits>

#include "server/errors.h"

namespace cairn {
namespace {

constexpr const char* kPromptTypes = "a string, a list of strings, a list of token ids, or a list of lists of token ids";

std::vector<int> token_ids_of(Fields& fields, const Json& list) {
  std::vector<int> ids;
  ids.reserve(list.size());
  for (const Json& item : list) {
    if (!item.is_number_integer()) fields.fail_type("prompt", kPromptTypes, item);
    const auto id = item.get<std::int64_t>();
    if (id < 0 || id > std::numeric_limits<int>::max()) fail_field("prompt", "Token id {} is out of vocabulary", id);
    ids.push_back(static_cast<int>(id));
  }
  return ids;
}

CompletionPrompt from_ids(std::vector<int> ids, const Tokenizer& tokenizer, bool needs_text) {
  CompletionPrompt prompt;
  for (const int id : ids) {
    if (id >= tokenizer.vocab_size()) fail_field("prompt", "Token id {} is out of vocabulary", id);
  }
  if (needs_text) prompt.text = tokenizer.decode(ids, false);
  prompt.token_ids = std::move(ids);
  return prompt;
}

std::vector<CompletionPrompt> parse_prompts(Fields& fields, const Tokenizer& tokenizer, bool echo) {
  const bool add_special = fields.flag("add_special_tokens").value_or(true);
  const Json* given = fields.find("prompt");
  if (!given) fail_field("prompt", "`prompt` is missing; it may be {}", kPromptTypes);
  const auto from_text = [&](const Json& text) {
    CompletionPrompt prompt{text.get<std::string>(), {}};
    prompt.token_ids = tokenizer.encode(prompt.text, add_special);
    return prompt;
  };
  if (given->is_string()) return {from_text(*given)};
  if (!given->is_array()) fields.fail_type("prompt", kPromptTypes, *given);
  if (given->empty()) fail_field("prompt", "`prompt` must not be an empty list");
  if (given->front().is_number()) return {from_ids(token_ids_of(fields, *given), tokenizer, echo)};
  if (given->size() > kMaxPrompts) {
    fail_field("prompt", "`prompt` holds {} prompts; at most {} at a time", given->size(), kMaxPrompts);
  }
  std::vector<CompletionPrompt> prompts;
  for (const Json& item : *given) {
    if (item.is_string()) {
      prompts.push_back(from_text(item));
    } else if (item.is_array()) {
      prompts.push_back(from_ids(token_ids_of(fields, item), tokenizer, echo));
    } else {
      fields.fail_type("prompt", kPromptTypes, item);
    }
  }
  return prompts;
}

}  // namespace

CompletionRequest parse_completion_request(Fields& fields, const GenerationConfig& defaults, const Tokenizer& tokenizer) {
  CompletionRequest request;
  request.common = parse_generation(fields, defaults);
  SamplingParams& params = request.common.params;
  fields.refuse("suffix");
  fields.refuse("prompt_embeds");
  request.echo = fields.flag("echo").value_or(false);
  params.max_tokens = fields.int32("max_tokens").value_or(16);
  params.logprobs = fields.int32("logprobs");
  if (request.echo && params.max_tokens == 0) {
    request.echo_only = true;
    params.max_tokens = 1;
  }
  if (request.echo && params.logprobs && !params.prompt_logprobs) {
    if (request.common.stream && *params.logprobs < 0) fail_field("logprobs", "`logprobs` must be non-negative");
    params.prompt_logprobs = params.logprobs;
  }
  request.prompts = parse_prompts(fields, tokenizer, request.echo);
  return request;
}

}  // namespace cairn
