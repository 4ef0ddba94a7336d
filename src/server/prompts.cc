#include "server/prompts.h"

#include "server/api_error.h"

namespace cairn::server {

std::vector<int> encode_text(const Serving& serving, const std::string& text, bool add_special_tokens) {
  try {
    return serving.tokenizer().encode(text, add_special_tokens);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::resource_exhausted) throw;
    throw ApiError(400, error.what());  // the text's fault; 429 would have the client try again
  }
}

std::vector<int> encode_prompt(const Serving& serving, const Prompt& prompt, bool add_special_tokens) {
  if (const std::string* text = std::get_if<std::string>(&prompt)) {
    return encode_text(serving, *text, add_special_tokens);
  }
  const auto& ids = std::get<std::vector<int>>(prompt);
  const int vocab_size = serving.engine().runner().vocab_size();
  for (const int id : ids) {
    if (id < 0 || id >= vocab_size) {
      throw ApiError(400, fmt::format("Token id {} is out of vocabulary (size {})", id, vocab_size), "prompt");
    }
  }
  return ids;
}

std::vector<int> encode_conversation(const App& app, const Serving& serving, const Conversation& conversation) {
  const TemplateSettings settings{serving.context.chat_template.get(), serving.context.bos_token,
                                  serving.context.eos_token, app.config.trust_request_chat_template};
  return encode_text(serving, render_conversation(conversation, settings), conversation.add_special_tokens);
}

}  // namespace cairn::server
