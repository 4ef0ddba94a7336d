// POST /v1/chat/completions as asked for.
#pragma once

#include <string>

#include "model/chat_template/chat_template.h"
#include "model/tokenizer/tokenizer.h"
#include "server/sampling_request.h"

namespace cairn::server {

/// What a chat template is rendered from; also /tokenize's messages.
struct Conversation {
  Json messages = Json::array();
  Json variables = Json::object();  // tools, documents, chat_template_kwargs
  std::string own_template;         // of the request; empty: the model's
  bool add_generation_prompt = true;
  bool continue_final_message = false;
  bool add_special_tokens = false;  // the template writes them
};

struct ChatRequest {
  SharedRequest shared;
  Conversation conversation;
};

/// What the server knows of the model's template.
struct TemplateSettings {
  const ChatTemplate* chat_template = nullptr;  // null: the model has none
  std::string bos_token, eos_token;
  bool trust_request_chat_template = false;
};

/// Throws ApiError 400, naming the field, for what is malformed or unsupported.
ChatRequest parse_chat_request(const Json& body, const GenerationConfig& defaults);
Conversation parse_conversation(const Fields& fields);

/// The prompt's text. Throws ApiError 400 for a template's own refusals.
std::string render_conversation(const Conversation& conversation, const TemplateSettings& settings);

}  // namespace cairn::server
