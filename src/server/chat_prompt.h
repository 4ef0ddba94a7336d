// From chat messages to a prompt: checks the messages, and renders them with the model's template.
#pragma once

#include <memory>
#include <string>

#include "model/chat_template/chat_template.h"
#include "server/body_fields.h"
#include "server/server.h"

namespace cairn {

struct ChatPrompt {
  Json variables;  // for the template
  bool continue_final_message = false;
  std::shared_ptr<const ChatTemplate> own_template;  // the request's, where that is trusted
};

/// Reads messages, tools, tool_choice, documents, add_generation_prompt, continue_final_message, chat_template and
/// chat_template_kwargs. Contents that are lists of text parts become one string, the parts joined by line ends; tool
/// calls' arguments become objects. Throws HttpError 400 naming the field.
ChatPrompt parse_chat_prompt(Fields& fields, const ServingContext& context, bool trust_request_template);

/// Renders it. Throws HttpError 400 when the model has no template or the template refuses.
std::string render_chat_prompt(const ChatPrompt& prompt, const ServingContext& context);

}  // namespace cairn
