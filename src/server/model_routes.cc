#include <fmt/format.h>

#include <algorithm>

#include "server/api_error.h"
#include "server/bounded_json.h"
#include "server/routes.h"

namespace cairn::server {
namespace {

Json model_json(const Serving& serving, const std::string& name) {
  return {{"id", name},
          {"object", "model"},
          {"created", serving.created},
          {"owned_by", "cairn"},
          {"root", serving.context.model_path},
          {"parent", nullptr},
          {"max_model_len", serving.max_model_len},
          {"permission", Json::array({{{"id", "modelperm-" + name},
                                       {"object", "model_permission"},
                                       {"created", serving.created},
                                       {"allow_create_engine", false},
                                       {"allow_sampling", true},
                                       {"allow_logprobs", true},
                                       {"allow_search_indices", false},
                                       {"allow_view", true},
                                       {"allow_fine_tuning", false},
                                       {"organization", "*"},
                                       {"group", nullptr},
                                       {"is_blocking", false}}})}};
}

}  // namespace

void check_model(const Serving& serving, const std::string& model) {
  if (model.empty() || std::ranges::find(serving.model_names, model) != serving.model_names.end()) return;
  throw ApiError(404, fmt::format("The model `{}` does not exist.", model.substr(0, 200)), "model");
}

Reply list_models(App& app, const HttpRequest&) {
  const auto serving = app.require_serving();
  Json data = Json::array();
  for (const std::string& name : serving->model_names) data.push_back(model_json(*serving, name));
  Reply reply;
  reply.body = to_text({{"object", "list"}, {"data", std::move(data)}});
  return reply;
}

Reply show_model(App& app, const HttpRequest& request) {
  const auto serving = app.require_serving();
  const std::string name = request.path.substr(std::string_view("/v1/models/").size());
  check_model(*serving, name);
  Reply reply;
  reply.body = to_text(model_json(*serving, name));
  return reply;
}

}  // namespace cairn::server
