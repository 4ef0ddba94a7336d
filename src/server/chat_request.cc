#include "server/chat_request.h"

#include <utility>

#include "server/api_error.h"

namespace cairn::server {
namespace {

constexpr std::size_t kMaxTemplateVariables = 256;

[[noreturn]] void refuse(std::size_t index, const std::string& what) {
  throw ApiError(400, fmt::format("messages[{}]{}", index, what), "messages");
}

// The text of a content given as parts, joined as vLLM joins them.
std::string join_parts(const Json& parts, std::size_t index) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::string where = fmt::format(".content[{}]", i);
    const Json& part = parts[i];
    if (i > 0) text += '\n';
    if (part.is_string()) {
      text += part.get_ref<const std::string&>();
      continue;
    }
    if (!part.is_object()) refuse(index, where + " must be a string or an object with type and text");
    const auto type = part.find("type");
    if (type == part.end() || !type->is_string()) refuse(index, where + ".type must be a string");
    if (*type != "text" && *type != "input_text" && *type != "output_text") {
      refuse(index, fmt::format("{}.type \"{}\" is unsupported; the only one is text", where,
                                type->get_ref<const std::string&>().substr(0, 40)));
    }
    const auto value = part.find("text");
    if (value == part.end() || !value->is_string()) refuse(index, where + ".text must be a string");
    text += value->get_ref<const std::string&>();
  }
  return text;
}

// Templates index into the arguments of a call, which the API carries as JSON text.
void parse_call_arguments(Json& message, std::size_t index) {
  const auto calls = message.find("tool_calls");
  if (calls == message.end()) return;
  if (calls->is_null() || (calls->is_array() && calls->empty())) {
    message.erase("tool_calls");
    return;
  }
  if (!calls->is_array()) refuse(index, ".tool_calls must be a list");
  for (Json& call : *calls) {
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object()) {
      refuse(index, ".tool_calls must hold objects with a function");
    }
    Json& function = call["function"];
    const auto arguments = function.find("arguments");
    if (arguments == function.end() || !arguments->is_string()) continue;
    const std::string text = arguments->get<std::string>();
    try {
      *arguments = text.empty() ? Json::object() : parse_json(text);
    } catch (const Error&) {
      refuse(index, ".tool_calls: function.arguments must be JSON text");
    }
  }
}

Json read_message(const Json& given, std::size_t index) {
  if (!given.is_object()) refuse(index, " must be an object with role and content");
  const auto role = given.find("role");
  if (role == given.end() || !role->is_string()) refuse(index, ".role must be a string");
  Json message = given;
  const auto content = message.find("content");
  const bool may_lack = *role == "assistant";
  if (content == message.end() || content->is_null()) {
    if (!may_lack) refuse(index, ".content must be a string or a list of text parts");
    message["content"] = "";
  } else if (content->is_array()) {
    *content = join_parts(*content, index);
  } else if (!content->is_string()) {
    refuse(index, ".content must be a string or a list of text parts");
  }
  parse_call_arguments(message, index);
  return message;
}

void read_tools(const Fields& fields, Json& variables) {
  const Json* tools = fields.array("tools");
  if (tools != nullptr && !tools->empty()) {
    for (const Json& tool : *tools) {
      if (!tool.is_object() || !tool.contains("function") || !tool["function"].is_object()) {
        fields.wrong_type("tools", "a list of objects with type and function", tool);
      }
    }
    variables["tools"] = *tools;
  }
  const Json* choice = fields.find("tool_choice");
  if (choice == nullptr || *choice == "none" || *choice == "auto") return;
  if (!choice->is_string() && !choice->is_object()) fields.wrong_type("tool_choice", "none or auto", *choice);
  throw ApiError(400, "this tool_choice is unsupported; supported are none and auto", "tool_choice");
}

// Cuts the text after the final message's content, as transformers does.
std::string cut_after_final_message(std::string text, const Json& messages) {
  const std::string& content = messages.back()["content"].get_ref<const std::string&>();
  const std::string_view spaces = " \t\n\r\f\v";
  const std::size_t begin = content.find_first_not_of(spaces);
  if (begin == std::string::npos) {
    throw ApiError(400, "continue_final_message needs a final message with text", "continue_final_message");
  }
  const std::string left_trimmed = content.substr(begin);
  const std::string trimmed = left_trimmed.substr(0, left_trimmed.find_last_not_of(spaces) + 1);
  const std::size_t found = text.rfind(trimmed);
  if (found == std::string::npos) {
    throw ApiError(400, "continue_final_message is set but the final message does not appear in the rendered prompt",
                   "continue_final_message");
  }
  const bool whole = text.compare(found, left_trimmed.size(), left_trimmed) == 0;
  text.resize(found + (whole ? left_trimmed.size() : trimmed.size()));
  return text;
}

}  // namespace

Conversation parse_conversation(const Fields& fields) {
  Conversation conversation;
  const Json* messages = fields.array("messages");
  if (messages == nullptr || messages->empty()) {
    throw ApiError(400, "messages must be a list of at least one message", "messages");
  }
  for (std::size_t i = 0; i < messages->size(); ++i) conversation.messages.push_back(read_message((*messages)[i], i));
  read_tools(fields, conversation.variables);
  if (const Json* documents = fields.array("documents")) conversation.variables["documents"] = *documents;
  if (const Json* extra = fields.object("chat_template_kwargs")) {
    if (extra->size() > kMaxTemplateVariables) {
      throw ApiError(
          400,
          fmt::format("chat_template_kwargs has {} members, the limit is {}", extra->size(), kMaxTemplateVariables),
          "chat_template_kwargs");
    }
    for (const auto& [name, value] : extra->items()) conversation.variables[name] = value;
  }
  conversation.own_template = fields.text("chat_template").value_or("");
  conversation.add_generation_prompt = fields.flag("add_generation_prompt", true);
  conversation.continue_final_message = fields.flag("continue_final_message", false);
  conversation.add_special_tokens = fields.flag("add_special_tokens", false);
  if (conversation.continue_final_message && conversation.add_generation_prompt) {
    throw ApiError(400, "Cannot set both `continue_final_message` and `add_generation_prompt` to True.",
                   "continue_final_message");
  }
  return conversation;
}

ChatRequest parse_chat_request(const Json& body, const GenerationConfig& defaults) {
  const Fields fields(body);
  ChatRequest request;
  request.shared = read_shared_request(fields, defaults);
  request.conversation = parse_conversation(fields);
  if (fields.flag("echo", false)) throw ApiError(400, "echo is unsupported in chat completions", "echo");
  const std::optional<int> top = fields.integer("top_logprobs");
  if (fields.flag("logprobs", false)) {
    request.shared.params.logprobs = top.value_or(0);
  } else if (top.value_or(0) != 0) {
    throw ApiError(400, "when using `top_logprobs`, `logprobs` must be set to true.", "top_logprobs");
  }
  return request;
}

std::string render_conversation(const Conversation& conversation, const TemplateSettings& settings) {
  if (!conversation.own_template.empty() && !settings.trust_request_chat_template) {
    throw ApiError(400, "chat_template is refused: the server does not trust templates in requests", "chat_template");
  }
  if (conversation.own_template.empty() && settings.chat_template == nullptr) {
    throw ApiError(400, "the model has no chat template, so it takes no messages; use /v1/completions");
  }
  Json variables = {{"messages", conversation.messages},
                    {"tools", nullptr},
                    {"documents", nullptr},
                    {"add_generation_prompt", conversation.add_generation_prompt},
                    {"bos_token", settings.bos_token},
                    {"eos_token", settings.eos_token}};
  for (const auto& [name, value] : conversation.variables.items()) {
    if (name != "messages") variables[name] = value;
  }
  std::string text;
  try {
    text = conversation.own_template.empty() ? settings.chat_template->render(variables)
                                             : ChatTemplate(conversation.own_template).render(variables);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) throw;
    throw ApiError(400, error.what(), "messages");
  }
  return conversation.continue_final_message ? cut_after_final_message(std::move(text), conversation.messages) : text;
}

}  // namespace cairn::server
