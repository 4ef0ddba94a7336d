#include "server/generation_api.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "server/chat_answer.h"
#include "server/chat_completion_request.h"
#include "server/completion_answer.h"
#include "server/errors.h"
#include "server/generation_reply.h"
#include "server/model_api.h"

namespace cairn {
namespace {

AnswerHead make_head(const std::string& id, const ServedModel& model, const GenerationRequest& request) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {id, request.model.empty() ? model.name() : request.model,
          std::chrono::duration_cast<std::chrono::seconds>(now).count()};
}

void check_priority(const GenerationRequest& request, const Engine& engine) {
  if (request.priority != 0 && engine.config().policy != SchedulingPolicy::priority) {
    fail_field("priority", "Got priority {} but Priority scheduling is not enabled.", request.priority);
  }
}

void log_unread(const Fields& fields, const ServingState& state, const std::string& id) {
  if (!state.log()->should_log(spdlog::level::debug)) return;
  const std::vector<std::string> names = fields.unread();
  if (!names.empty()) state.log()->debug("{}: fields without meaning here: {}", id, fmt::join(names, ", "));
}

Request engine_request(std::string id, std::vector<int> prompt, const GenerationRequest& common) {
  Request request;
  request.id = std::move(id);
  request.prompt_token_ids = std::move(prompt);
  request.params = common.params;
  request.priority = common.priority;
  request.cache_salt = common.cache_salt;
  return request;
}

Reply start(const ServedModel& model, std::vector<Request> requests, std::unique_ptr<AnswerWriter> writer,
            const GenerationRequest& common) {
  Reply reply;
  const std::size_t prompts = requests.size();
  reply.pending = std::make_unique<GenerationReply>(*model.context.engine, std::move(requests), std::move(writer),
                                                    common.stream, model.context.tokenizer);
  for (std::size_t i = 0; common.params.max_tokens && i < prompts; ++i) {
    model.metrics->on_admitted(*common.params.max_tokens);
  }
  reply.streamed = common.stream;
  if (common.stream) {
    reply.response.content_type = "text/event-stream; charset=utf-8";
    reply.response.headers.emplace_back("Cache-Control", "no-cache");
    reply.response.headers.emplace_back("X-Accel-Buffering", "no");  // proxies are to pass events on at once
  }
  return reply;
}

}  // namespace

Reply chat_completions(const HttpRequest& request, ServingState& state) {
  const auto model = state.serving_model();
  const ServingContext& context = model->context;
  const Json body = parse_json_body(request.body);
  Fields fields(body);
  const std::string id = state.new_id("chatcmpl-");
  ChatRequest chat = parse_chat_request(fields, context, state.config().trust_request_chat_template);
  check_model_name(*model, chat.common.model);
  check_priority(chat.common, *context.engine);
  log_unread(fields, state, id);
  // The template has written the special tokens itself.
  std::vector<int> prompt = context.tokenizer->encode(render_chat_prompt(chat.prompt, context), false);
  check_length(static_cast<std::int64_t>(prompt.size()), chat.common.params, model->max_model_len());
  AnswerHead head = make_head(id, *model, chat.common);
  auto writer = chat.common.stream ? make_chat_stream(std::move(head), chat.common, *context.tokenizer)
                                   : make_chat_body(std::move(head), chat.common, *context.tokenizer);
  std::vector<Request> requests;
  requests.push_back(engine_request(id, std::move(prompt), chat.common));
  return start(*model, std::move(requests), std::move(writer), chat.common);
}

Reply completions(const HttpRequest& request, ServingState& state) {
  const auto model = state.serving_model();
  const ServingContext& context = model->context;
  const Json body = parse_json_body(request.body);
  Fields fields(body);
  const std::string id = state.new_id("cmpl-");
  CompletionRequest completion = parse_completion_request(fields, context.generation, *context.tokenizer);
  const GenerationRequest& common = completion.common;
  check_model_name(*model, common.model);
  check_priority(common, *context.engine);
  log_unread(fields, state, id);
  std::vector<Request> requests;
  for (const CompletionPrompt& prompt : completion.prompts) {
    check_length(static_cast<std::int64_t>(prompt.token_ids.size()), common.params, model->max_model_len());
    requests.push_back(engine_request(fmt::format("{}-{}", id, requests.size()), prompt.token_ids, common));
  }
  AnswerHead head = make_head(id, *model, common);
  auto writer = common.stream ? make_completion_stream(std::move(head), completion, *context.tokenizer)
                              : make_completion_body(std::move(head), completion, *context.tokenizer);
  return start(*model, std::move(requests), std::move(writer), common);
}

}  // namespace cairn
