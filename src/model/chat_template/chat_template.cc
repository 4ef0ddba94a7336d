#include "model/chat_template/chat_template.h"

#include "base/error.h"
#include "model/chat_template/interpreter.h"
#include "model/chat_template/parser.h"

namespace cairn {

struct ChatTemplate::Impl {
  TemplateLimits limits;
  std::unique_ptr<const jinja::Program> program;
};

ChatTemplate::ChatTemplate(std::string_view source, TemplateLimits limits)
    : impl_(std::make_unique<Impl>(Impl{limits, jinja::parse(source, limits)})) {}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const nlohmann::ordered_json& variables) const {
  if (!variables.is_object()) fail_invalid("chat template variables must be an object, not {}", variables.type_name());
  return jinja::Interpreter(*impl_->program, impl_->limits, variables).run();
}

}  // namespace cairn
