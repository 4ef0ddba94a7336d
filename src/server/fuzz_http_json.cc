// Fuzzes what clients' bytes reach before the engine: JSON, the parsers of both endpoints, and the template.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "server/api_error.h"
#include "server/chat_request.h"
#include "server/completion_request.h"
#include "server/http_text.h"

namespace {

template <typename Parse>
void tolerate_refusals(Parse parse) {
  try {
    parse();
  } catch (const cairn::Error&) {
  } catch (const cairn::server::ApiError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cairn::server;
  static const cairn::ChatTemplate chat_template(
      "{% for m in messages %}{{ m.role }}{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}"
      "{% endfor %}{{ tools | tojson }}{% if add_generation_prompt %}A{% endif %}");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  target_path(text);
  tolerate_refusals([&] {
    const Json body = parse_json(text);
    to_text(body);
    tolerate_refusals([&] { parse_completion_request(body, {}); });
    tolerate_refusals([&] {
      const ChatRequest request = parse_chat_request(body, {});
      render_conversation(request.conversation, {&chat_template, "<s>", "</s>", false});
    });
  });
  return 0;
}
