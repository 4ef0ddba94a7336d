// POST /v1/completions: the answer, streamed or whole.
#pragma once

#include <memory>

#include "server/answer.h"
#include "server/text_completion_request.h"

namespace cairn {

/// Choice c of prompt p has index p * n + c. `tokenizer` must outlive the writer.
std::unique_ptr<AnswerWriter> make_completion_stream(AnswerHead head, const CompletionRequest& request,
                                                     const Tokenizer& tokenizer);
std::unique_ptr<AnswerWriter> make_completion_body(AnswerHead head, const CompletionRequest& request,
                                                   const Tokenizer& tokenizer);

}  // namespace cairn
