// POST /v1/chat/completions: the answer, streamed or whole.
#pragma once

#include <memory>

#include "server/answer.h"
#include "server/token_text.h"

namespace cairn {

/// `tokenizer` must outlive the writer.
std::unique_ptr<AnswerWriter> make_chat_stream(AnswerHead head, const GenerationRequest& request,
                                               const Tokenizer& tokenizer);
std::unique_ptr<AnswerWriter> make_chat_body(AnswerHead head, const GenerationRequest& request,
                                             const Tokenizer& tokenizer);

}  // namespace cairn
