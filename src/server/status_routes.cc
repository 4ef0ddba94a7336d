#include "server/api_error.h"
#include "server/bounded_json.h"
#include "server/page.h"
#include "server/routes.h"

namespace cairn::server {

Reply show_health(App& app, const HttpRequest&) {
  app.require_serving();
  return {};
}

Reply ping(App& app, const HttpRequest& request) { return show_health(app, request); }

Reply show_version(App&, const HttpRequest&) {
  Reply reply;
  reply.body = to_text({{"version", CAIRN_VERSION}});
  return reply;
}

Reply show_metrics(App& app, const HttpRequest&) {
  Reply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  if (const auto serving = app.serving()) reply.body = serving->metrics->text();
  return reply;
}

Reply show_page(App&, const HttpRequest&) {
  Reply reply;
  reply.content_type = "text/html; charset=utf-8";
  reply.body = std::string(page());
  reply.headers.emplace_back("Cache-Control", "no-cache");
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return reply;
}

Reply reset_prefix_cache(App& app, const HttpRequest&) {
  app.require_serving()->engine().reset_prefix_cache();
  return {};
}

}  // namespace cairn::server
