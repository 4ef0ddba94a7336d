#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "server/api_error.h"
#include "server/chat_answer.h"
#include "server/completion_answer.h"
#include "server/generation.h"
#include "server/prompts.h"
#include "server/routes.h"
#include "server/work.h"

namespace cairn::server {
namespace {

namespace asio = boost::asio;

constexpr int kDefaultCompletionTokens = 16;  // OpenAI's and vLLM's for /v1/completions

struct Prepared {
  GenerationJob job;
  std::unique_ptr<AnswerWriter> writer;
};

void check_prompt(const std::vector<int>& prompt) {
  if (prompt.empty()) throw ApiError(400, "The decoder prompt cannot be empty", "prompt");
}

AnswerHead make_head(App& app, const Serving& serving, const SharedRequest& request, const char* prefix) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {app.make_id(prefix), std::chrono::duration_cast<std::chrono::seconds>(now).count(),
          request.model.empty() ? serving.model_name() : request.model, request.params.n};
}

GenerationJob make_job(const SharedRequest& request, const AnswerHead& head) {
  GenerationJob job;
  job.id = head.id;
  job.priority = request.priority;
  job.cache_salt = request.cache_salt;
  job.stream = request.stream;
  job.include_usage = request.include_usage;
  job.continuous_usage = request.continuous_usage;
  return job;
}

Prepared prepare_chat(App& app, const Serving& serving, const HttpRequest& http) {
  ChatRequest request = parse_chat_request(parse_json(http.body), serving.context.generation);
  SharedRequest& shared = request.shared;
  check_model(serving, shared.model);
  std::vector<int> prompt = encode_conversation(app, serving, request.conversation);
  check_prompt(prompt);
  fit_max_tokens(shared.params, prompt.size(), serving.max_model_len, std::nullopt);
  const AnswerHead head = make_head(app, serving, shared, "chatcmpl-");
  Prepared prepared;
  prepared.job = make_job(shared, head);
  prepared.writer = std::make_unique<ChatAnswer>(head, serving.tokenizer(), shared.params.logprobs.has_value());
  prepared.job.prompts.push_back(std::move(prompt));
  prepared.job.params.push_back(std::move(shared.params));
  return prepared;
}

// What echo gives back: the text as it was sent, or the text of the ids.
std::string echoed_text(const Serving& serving, const Prompt& prompt) {
  if (const std::string* text = std::get_if<std::string>(&prompt)) return *text;
  const auto& ids = std::get<std::vector<int>>(prompt);
  std::string bytes;
  for (const int id : ids) bytes += token_bytes(serving.tokenizer(), id);
  return sanitize_utf8(bytes);
}

Prepared prepare_completion(App& app, const Serving& serving, const HttpRequest& http) {
  const CompletionRequest request = parse_completion_request(parse_json(http.body), serving.context.generation);
  check_model(serving, request.shared.model);
  const AnswerHead head = make_head(app, serving, request.shared, "cmpl-");
  Prepared prepared;
  prepared.job = make_job(request.shared, head);
  prepared.job.count_completions = !request.echo_only;
  std::vector<std::string> texts;
  for (const Prompt& prompt : request.prompts) {
    std::vector<int> ids = encode_prompt(serving, prompt, request.add_special_tokens);
    check_prompt(ids);
    SamplingParams params = request.shared.params;
    fit_max_tokens(params, ids.size(), serving.max_model_len, kDefaultCompletionTokens);
    if (request.echo) texts.push_back(echoed_text(serving, prompt));
    prepared.job.prompts.push_back(std::move(ids));
    prepared.job.params.push_back(std::move(params));
  }
  CompletionAnswer::Options options;
  options.with_logprobs = request.shared.params.logprobs.has_value();
  options.show_prompt_logprobs = request.shows_prompt_logprobs;
  options.echo = request.echo;
  options.echo_only = request.echo_only;
  prepared.writer =
      std::make_unique<CompletionAnswer>(head, serving.tokenizer(), options, prepared.job.prompts, std::move(texts));
  return prepared;
}

}  // namespace

asio::awaitable<void> complete_chat(App& app, Exchange& exchange) {
  const std::shared_ptr<const Serving> serving = app.require_serving();
  Prepared prepared;
  const std::function<void()> work = [&] { prepared = prepare_chat(app, *serving, exchange.request()); };
  co_await do_work(app, exchange, work);
  co_await run_generation(serving, exchange, std::move(prepared.job), std::move(prepared.writer));
}

asio::awaitable<void> complete(App& app, Exchange& exchange) {
  const std::shared_ptr<const Serving> serving = app.require_serving();
  Prepared prepared;
  const std::function<void()> work = [&] { prepared = prepare_completion(app, *serving, exchange.request()); };
  co_await do_work(app, exchange, work);
  co_await run_generation(serving, exchange, std::move(prepared.job), std::move(prepared.writer));
}

}  // namespace cairn::server
