// From a request's prompt to token ids.
#pragma once

#include <vector>

#include "server/app.h"
#include "server/chat_request.h"
#include "server/completion_request.h"

namespace cairn::server {

/// Throws ApiError 400 when the text takes the tokenizer too long.
std::vector<int> encode_text(const Serving& serving, const std::string& text, bool add_special_tokens);
/// Ids are taken as they are, and checked against the model's vocabulary.
std::vector<int> encode_prompt(const Serving& serving, const Prompt& prompt, bool add_special_tokens);
/// Renders the template, and adds no special tokens but those that it writes.
std::vector<int> encode_conversation(const App& app, const Serving& serving, const Conversation& conversation);

}  // namespace cairn::server
