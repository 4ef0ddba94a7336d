#include <utility>
#include <vector>

#include "server/api_error.h"
#include "server/prompts.h"
#include "server/routes.h"

namespace cairn::server {
namespace {

std::vector<int> encode_request(const App& app, const Serving& serving, const Json& body, const Fields& fields) {
  if (body.contains("messages")) return encode_conversation(app, serving, parse_conversation(fields));
  const std::optional<std::string> prompt = fields.text("prompt");
  if (!prompt) throw ApiError(400, "prompt must be a string, or messages a list of messages", "prompt");
  return encode_text(serving, *prompt, fields.flag("add_special_tokens", true));
}

}  // namespace

Reply tokenize(App& app, const HttpRequest& request) {
  const auto serving = app.require_serving();
  const Json body = parse_json(request.body);
  const Fields fields(body);
  check_model(*serving, fields.text("model").value_or(""));
  const std::vector<int> ids = encode_request(app, *serving, body, fields);
  Json texts = nullptr;
  if (fields.flag("return_token_strs", false)) {
    texts = Json::array();
    for (const int id : ids) texts.push_back(std::string(serving->tokenizer().token_text(id)));
  }
  Reply reply;
  reply.body = to_text({{"count", ids.size()},
                        {"max_model_len", serving->max_model_len},
                        {"tokens", ids},
                        {"token_strs", std::move(texts)}});
  return reply;
}

Reply detokenize(App& app, const HttpRequest& request) {
  const auto serving = app.require_serving();
  const Json body = parse_json(request.body);
  const Fields fields(body);
  check_model(*serving, fields.text("model").value_or(""));
  if (fields.find("tokens") == nullptr) throw ApiError(400, "tokens must be a list of token ids", "tokens");
  const std::vector<int> ids = fields.integers("tokens");
  const int vocab_size = serving->tokenizer().vocab_size();
  for (const int id : ids) {
    if (id >= 0 && id < vocab_size) continue;
    throw ApiError(400, fmt::format("Token id {} is out of vocabulary (size {})", id, vocab_size), "tokens");
  }
  Reply reply;
  reply.body = to_text({{"prompt", serving->tokenizer().decode(ids, false)}});
  return reply;
}

}  // namespace cairn::server
