// cairn_render_template: chat templates by themselves, for comparisons with other implementations.
//
// Reads JSON lines {"template": text, "variables": object} and answers each by {"text": …} or {"error": …, "kind": …}.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "model/chat_template/chat_template.h"

int main() {
  using Json = nlohmann::ordered_json;
  std::string line;
  while (std::getline(std::cin, line)) {
    Json request = Json::parse(line, nullptr, false);
    Json answer;
    try {
      if (request.is_discarded()) cairn::fail_invalid("not JSON: {}", line);
      cairn::ChatTemplate chat_template(request.value("template", std::string()));
      answer["text"] = chat_template.render(request.value("variables", Json::object()));
    } catch (const cairn::Error& error) {
      answer["error"] = error.what();
      answer["kind"] = to_string(error.kind());
    }
    std::cout << answer.dump() << "\n";
  }
}
