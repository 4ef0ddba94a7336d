// Any template over any variables either renders or throws cairn::Error. Input: the template, a zero byte, JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"
#include "model/chat_template/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  std::size_t split = std::min(input.find('\0'), input.size());
  std::string_view json = split < input.size() ? input.substr(split + 1) : std::string_view("{}");
  auto variables = nlohmann::ordered_json::parse(json, nullptr, false);
  if (!variables.is_object()) variables = nlohmann::ordered_json::object();
  cairn::TemplateLimits limits;
  limits.max_iterations = 1000;
  limits.max_output_bytes = 1 << 16;
  try {
    std::string text = cairn::ChatTemplate(input.substr(0, split), limits).render(variables);
    if (static_cast<std::int64_t>(text.size()) > limits.max_output_bytes) std::abort();
  } catch (const cairn::Error& error) {
    if (error.kind() == cairn::ErrorKind::internal) std::abort();
  }
  return 0;
}
