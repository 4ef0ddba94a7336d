#include "server/completion_answer.h"

#include <utility>

namespace cairn::server {

CompletionAnswer::CompletionAnswer(AnswerHead head, const Tokenizer& tokenizer, Options options,
                                   std::vector<std::vector<int>> prompts, std::vector<std::string> prompt_texts)
    : head_(std::move(head)),
      tokenizer_(tokenizer),
      options_(options),
      prompts_(std::move(prompts)),
      prompt_texts_(std::move(prompt_texts)) {}

Json CompletionAnswer::empty_chunk() const {
  return {{"id", head_.id},
          {"object", "text_completion"},
          {"created", head_.created},
          {"model", head_.model},
          {"choices", Json::array()}};
}

// What stands before the first generated token of a choice: the echoed prompt.
void CompletionAnswer::begin(const Piece& piece, Choice& choice) {
  choice.begun = true;
  if (options_.show_prompt_logprobs && piece.output.index == 0) {
    choice.prompt_logprobs = prompt_logprobs(tokenizer_, piece.output.prompt_logprobs);
  }
  if (!options_.echo) return;
  choice.text += prompt_texts_[piece.prompt];
  if (!options_.with_logprobs) return;
  const auto& positions = prompt_logprobs_[piece.prompt];
  const std::vector<int>& prompt = prompts_[piece.prompt];
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (i < positions.size() && positions[i]) {
      choice.logprobs.add(*positions[i]);
    } else {
      choice.logprobs.add_bare(prompt[i]);
    }
  }
}

CompletionAnswer::Choice& CompletionAnswer::take(const Piece& piece) {
  const RequestOutput& output = piece.output;
  if (!output.prompt_logprobs.empty() && options_.echo) prompt_logprobs_[piece.prompt] = output.prompt_logprobs;
  Choice& choice = choices_.try_emplace(index_of(piece), tokenizer_).first->second;
  if (!choice.begun) begin(piece, choice);
  if (!options_.echo_only) {
    choice.text += output.text;
    if (options_.with_logprobs) {
      for (const PositionLogprobs& position : output.logprobs) choice.logprobs.add(position);
    }
  }
  if (output.finish_reason) {
    choice.finish_reason = finish_reason_json(output);
    choice.stop_reason = stop_reason_json(output);
  }
  return choice;
}

std::vector<Json> CompletionAnswer::chunks(const Piece& piece) {
  Choice& choice = take(piece);
  const Json logprobs = options_.with_logprobs ? choice.logprobs.take() : Json(nullptr);
  const bool has_logprobs = options_.with_logprobs && !logprobs["tokens"].empty();
  const std::string text = std::exchange(choice.text, {});
  if (text.empty() && !has_logprobs && !piece.output.finish_reason) return {};
  Json chunk = empty_chunk();
  chunk["choices"].push_back({{"index", index_of(piece)},
                              {"text", text},
                              {"logprobs", logprobs},
                              {"finish_reason", choice.finish_reason},
                              {"stop_reason", choice.stop_reason}});
  return {std::move(chunk)};
}

void CompletionAnswer::gather(Piece&& piece) { take(piece); }

Json CompletionAnswer::whole() {
  Json result = empty_chunk();
  for (auto& [index, choice] : choices_) {
    result["choices"].push_back({{"index", index},
                                 {"text", std::move(choice.text)},
                                 {"logprobs", options_.with_logprobs ? choice.logprobs.take() : Json(nullptr)},
                                 {"finish_reason", choice.finish_reason},
                                 {"stop_reason", choice.stop_reason},
                                 {"prompt_logprobs", std::move(choice.prompt_logprobs)}});
  }
  return result;
}

}  // namespace cairn::server
