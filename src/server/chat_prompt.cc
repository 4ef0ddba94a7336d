#include "server/chat_prompt.h"

#include "server/errors.h"

namespace cairn {
namespace {

constexpr std::size_t kMaxTemplateBytes = 256 << 10;

// "messages[3].content" and so on, for errors.
[[noreturn]] void fail_message(std::size_t index, const char* part, const std::string& problem) {
  fail_field("messages", "`messages[{}]{}` {}", index, part, problem);
}

std::string join_parts(const Json& parts, std::size_t index) {
  std::string text;
  bool first = true;
  for (const Json& part : parts) {
    if (!first) text += '\n';
    first = false;
    if (part.is_string()) {
      text += part.get<std::string>();
      continue;
    }
    if (!part.is_object()) fail_message(index, ".content", "must hold objects, got " + describe_value(part));
    const auto type = part.find("type");
    if (type == part.end() || !type->is_string()) fail_message(index, ".content", "has a part without a `type`");
    const auto name = type->get<std::string>();
    if (name != "text" && name != "input_text" && name != "output_text") {
      fail_message(index, ".content", fmt::format("has a part of type \"{}\"; unsupported: this model takes text only",
                                                  name.substr(0, 64)));
    }
    const auto value = part.find("text");
    if (value == part.end() || !value->is_string()) fail_message(index, ".content", "has a text part without `text`");
    text += value->get<std::string>();
  }
  return text;
}

// Templates iterate over a call's arguments; clients send them as OpenAI does, as the text of a JSON object.
void parse_tool_calls(Json& message, std::size_t index) {
  const auto calls = message.find("tool_calls");
  if (calls == message.end()) return;
  if (!calls->is_array()) fail_message(index, ".tool_calls", "must be a list, got " + describe_value(*calls));
  for (Json& call : *calls) {
    if (!call.is_object()) fail_message(index, ".tool_calls", "must hold objects, got " + describe_value(call));
    const auto function = call.find("function");
    if (function == call.end() || !function->is_object()) fail_message(index, ".tool_calls", "must name a `function`");
    const auto arguments = function->find("arguments");
    if (arguments == function->end() || !arguments->is_string()) continue;
    const auto text = arguments->get<std::string>();
    *arguments = text.empty() ? Json::object() : parse_json_body(text);
  }
}

Json parse_message(const Json& given, std::size_t index) {
  if (!given.is_object()) fail_message(index, "", "must be an object, got " + describe_value(given));
  Json message = Json::object();
  for (const auto& member : given.items()) {
    if (!member.value().is_null()) message[member.key()] = member.value();
  }
  const auto role = message.find("role");
  if (role == message.end()) fail_message(index, ".role", "is missing");
  if (!role->is_string()) fail_message(index, ".role", "must be a string, got " + describe_value(*role));
  const auto content = message.find("content");
  if (content == message.end()) {
    if (!message.contains("tool_calls") && *role != "assistant") fail_message(index, ".content", "is missing");
    message["content"] = "";
  } else if (content->is_array()) {
    *content = join_parts(*content, index);
  } else if (!content->is_string()) {
    fail_message(index, ".content", "must be a string or a list of parts, got " + describe_value(*content));
  }
  parse_tool_calls(message, index);
  return message;
}

void parse_tools(Fields& fields, Json& variables) {
  const Json* tools = fields.find_array("tools");
  const Json* choice = fields.find("tool_choice");
  std::string mode = tools ? "auto" : "none";
  if (choice) {
    if (!choice->is_string() || (*choice != "none" && *choice != "auto")) {
      fail_field("tool_choice", "unsupported: `tool_choice` may be \"none\" or \"auto\", got {}", describe_value(*choice));
    }
    mode = choice->get<std::string>();
  }
  if (mode == "auto" && choice && !tools) fail_field("tool_choice", "When using `tool_choice`, `tools` must be set.");
  if (!tools) return;
  for (const Json& tool : *tools) {
    if (!tool.is_object()) fields.fail_type("tools", "a list of objects", tool);
  }
  if (mode == "auto" && !tools->empty()) variables["tools"] = *tools;
}

// Cuts what the template puts behind the last message, so that the model goes on with it.
std::string cut_after_final_message(std::string prompt, const Json& messages) {
  const auto content = messages.back().at("content").get<std::string>();
  const char* const white = " \t\r\n\v\f";
  const auto first = content.find_first_not_of(white);
  if (first == std::string::npos) fail_field("messages", "with `continue_final_message` the last message must hold text");
  const std::string stripped = content.substr(first, content.find_last_not_of(white) - first + 1);
  const auto place = prompt.rfind(stripped);
  if (place == std::string::npos) {
    fail_field("continue_final_message",
               "continue_final_message is set but the final message does not appear in the chat after applying the "
               "chat template");
  }
  const std::string with_tail = content.substr(first);  // templates may keep or strip trailing white space
  const bool kept = prompt.compare(place, with_tail.size(), with_tail) == 0;
  prompt.resize(place + (kept ? with_tail.size() : stripped.size()));
  return prompt;
}

}  // namespace

ChatPrompt parse_chat_prompt(Fields& fields, const ServingContext& context, bool trust_request_template) {
  ChatPrompt prompt;
  prompt.variables = Json::object();
  Json& variables = prompt.variables;
  variables["bos_token"] = context.bos_token;
  variables["eos_token"] = context.eos_token;
  if (const Json* kwargs = fields.find_object("chat_template_kwargs")) {
    for (const auto& member : kwargs->items()) variables[member.key()] = member.value();
  }
  const Json* messages = fields.find_array("messages");
  if (!messages || messages->empty()) fail_field("messages", "`messages` must be a list of at least one message");
  Json parsed = Json::array();
  for (std::size_t i = 0; i < messages->size(); ++i) parsed.push_back(parse_message((*messages)[i], i));
  variables["messages"] = std::move(parsed);
  parse_tools(fields, variables);
  if (const Json* documents = fields.find_array("documents")) variables["documents"] = *documents;
  const bool add = fields.flag("add_generation_prompt").value_or(true);
  prompt.continue_final_message = fields.flag("continue_final_message").value_or(false);
  if (add && prompt.continue_final_message) {
    fail_field("continue_final_message",
               "Cannot set both `continue_final_message` and `add_generation_prompt` to True.");
  }
  variables["add_generation_prompt"] = add;
  if (const auto source = fields.text("chat_template")) {
    if (!trust_request_template) {
      fail_field("chat_template",
                 "Chat template is passed with request, but --trust-request-chat-template is not set. Refused request "
                 "with untrusted chat template.");
    }
    if (source->size() > kMaxTemplateBytes) fail_field("chat_template", "`chat_template` is too long");
    prompt.own_template = std::make_shared<const ChatTemplate>(*source);
  }
  return prompt;
}

std::string render_chat_prompt(const ChatPrompt& prompt, const ServingContext& context) {
  const ChatTemplate* chat_template = prompt.own_template ? prompt.own_template.get() : context.chat_template.get();
  if (!chat_template) {
    throw HttpError(400, "This model has no chat template, so that chat messages cannot be turned into a prompt. Start "
                         "the server with --chat-template, or use /v1/completions.");
  }
  std::string text;
  try {
    text = chat_template->render(prompt.variables);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) throw;
    throw HttpError(400, error.what(), "messages");  // a bound on the template's work, too, is the request's fault
  }
  return prompt.continue_final_message ? cut_after_final_message(std::move(text), prompt.variables["messages"])
                                       : std::move(text);
}

}  // namespace cairn
