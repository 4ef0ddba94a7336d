#include "server/model_api.h"

#include <algorithm>

#include "server/chat_prompt.h"
#include "server/errors.h"

namespace cairn {
namespace {

Reply json_reply(const Json& body) {
  Reply reply;
  reply.response.body = to_text(body);
  return reply;
}

Json describe_model(const ServedModel& model, const std::string& name) {
  const Json permission = {{"id", "modelperm-" + name},
                           {"object", "model_permission"},
                           {"created", model.created},
                           {"allow_create_engine", false},
                           {"allow_sampling", true},
                           {"allow_logprobs", true},
                           {"allow_search_indices", false},
                           {"allow_view", true},
                           {"allow_fine_tuning", false},
                           {"organization", "*"},
                           {"group", nullptr},
                           {"is_blocking", false}};
  return {{"id", name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "cairn"},
          {"root", model.context.model_path},
          {"parent", nullptr},
          {"max_model_len", model.max_model_len()},
          {"permission", Json::array({permission})}};
}

}  // namespace

void check_model_name(const ServedModel& model, const std::string& name) {
  if (name.empty() || std::ranges::find(model.names, name) != model.names.end()) return;
  throw HttpError(404, fmt::format("The model `{}` does not exist.", name), "model");
}

Reply list_models(const HttpRequest&, ServingState& state) {
  const auto model = state.serving_model();
  Json data = Json::array();
  for (const std::string& name : model->names) data.push_back(describe_model(*model, name));
  return json_reply({{"object", "list"}, {"data", std::move(data)}});
}

Reply show_model(const HttpRequest& request, ServingState& state) {
  const auto model = state.serving_model();
  const std::string name = request.path.substr(std::string_view("/v1/models/").size());
  check_model_name(*model, name);
  return json_reply(describe_model(*model, name));
}

Reply tokenize(const HttpRequest& request, ServingState& state) {
  const auto model = state.serving_model();
  const ServingContext& context = model->context;
  const Json body = parse_json_body(request.body);
  Fields fields(body);
  check_model_name(*model, fields.text("model").value_or(""));
  std::vector<int> ids;
  if (fields.find("messages")) {
    const bool add_special = fields.flag("add_special_tokens").value_or(false);
    const ChatPrompt prompt = parse_chat_prompt(fields, context, state.config().trust_request_chat_template);
    ids = context.tokenizer->encode(render_chat_prompt(prompt, context), add_special);
  } else {
    const auto text = fields.text("prompt");
    if (!text) fail_field("prompt", "`prompt` (a string) or `messages` (a list) is missing");
    ids = context.tokenizer->encode(*text, fields.flag("add_special_tokens").value_or(true));
  }
  Json strings = nullptr;
  if (fields.flag("return_token_strs").value_or(false)) {
    strings = Json::array();
    for (const int id : ids) strings.push_back(context.tokenizer->token_text(id));
  }
  return json_reply({{"count", ids.size()},
                     {"max_model_len", model->max_model_len()},
                     {"tokens", ids},
                     {"token_strs", std::move(strings)}});
}

Reply detokenize(const HttpRequest& request, ServingState& state) {
  const auto model = state.serving_model();
  const Json body = parse_json_body(request.body);
  Fields fields(body);
  check_model_name(*model, fields.text("model").value_or(""));
  if (!fields.find_array("tokens")) fail_field("tokens", "`tokens` (a list of token ids) is missing");
  const std::vector<int> ids = fields.integers("tokens");
  return json_reply({{"prompt", model->context.tokenizer->decode(ids, false)}});
}

Reply reset_prefix_cache(const HttpRequest&, ServingState& state) {
  state.serving_model()->context.engine->reset_prefix_cache();
  Reply reply;
  reply.response.content_type.clear();
  return reply;
}

}  // namespace cairn
