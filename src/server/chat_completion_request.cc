#include "server/chat_completion_request.h"

#include "server/errors.h"

namespace cairn {

ChatRequest parse_chat_request(Fields& fields, const ServingContext& context, bool trust_request_template) {
  ChatRequest request;
  request.common = parse_generation(fields, context.generation);
  SamplingParams& params = request.common.params;
  const auto older = fields.int32("max_tokens");
  const auto newer = fields.int32("max_completion_tokens");
  params.max_tokens = newer ? newer : older;  // neither: the rest of the context
  const bool wants_logprobs = fields.flag("logprobs").value_or(false);
  const auto top = fields.int32("top_logprobs");
  if (top && *top != 0 && !wants_logprobs) {
    fail_field("top_logprobs", "when using `top_logprobs`, `logprobs` must be set to true.");
  }
  if (top && *top < -1) fail_field("top_logprobs", "`top_logprobs` must be a positive value or -1, got {}", *top);
  if (wants_logprobs) params.logprobs = top.value_or(0);
  for (const char* name : {"echo", "functions", "function_call", "audio", "prediction", "mm_processor_kwargs"}) {
    fields.refuse(name);
  }
  for (const char* name : {"parallel_tool_calls", "reasoning_effort", "add_special_tokens", "modalities"}) {
    fields.find(name);  // no effect on the answer: the template writes its special tokens itself
  }
  request.prompt = parse_chat_prompt(fields, context, trust_request_template);
  return request;
}

}  // namespace cairn
