#include "server/chat_answer.h"

#include <utility>

#include "server/logprobs_format.h"

namespace cairn::server {

Json ChatAnswer::empty_chunk() const {
  return {{"id", head_.id},
          {"object", "chat.completion.chunk"},
          {"created", head_.created},
          {"model", head_.model},
          {"choices", Json::array()}};
}

Json ChatAnswer::chunk(int index, Json delta, Json logprobs) const {
  Json result = empty_chunk();
  result["choices"].push_back(
      {{"index", index}, {"delta", std::move(delta)}, {"logprobs", std::move(logprobs)}, {"finish_reason", nullptr}});
  return result;
}

void ChatAnswer::add_logprobs(const RequestOutput& output, Json& list) const {
  for (const PositionLogprobs& position : output.logprobs) list.push_back(chat_logprob(tokenizer_, position));
}

std::vector<Json> ChatAnswer::chunks(const Piece& piece) {
  const RequestOutput& output = piece.output;
  std::vector<Json> result;
  if (begun_.insert(output.index).second) {
    result.push_back(chunk(output.index, {{"role", "assistant"}, {"content", ""}}, nullptr));
  }
  const bool has_logprobs = with_logprobs_ && !output.logprobs.empty();
  if (output.text.empty() && !has_logprobs && !output.finish_reason) return result;
  Json logprobs = nullptr;
  if (has_logprobs) {
    logprobs = {{"content", Json::array()}};
    add_logprobs(output, logprobs["content"]);
  }
  Json next = chunk(output.index, {{"content", output.text}}, std::move(logprobs));
  if (output.finish_reason) {
    next["choices"][0]["finish_reason"] = finish_reason_json(output);
    next["choices"][0]["stop_reason"] = stop_reason_json(output);
  }
  result.push_back(std::move(next));
  return result;
}

void ChatAnswer::gather(Piece&& piece) {
  const RequestOutput& output = piece.output;
  Choice& choice = choices_[output.index];
  choice.text += output.text;
  if (with_logprobs_) add_logprobs(output, choice.logprobs);
  if (!output.prompt_logprobs.empty()) prompt_logprobs_ = prompt_logprobs(tokenizer_, output.prompt_logprobs);
  if (!output.finish_reason) return;
  choice.finish_reason = finish_reason_json(output);
  choice.stop_reason = stop_reason_json(output);
}

Json ChatAnswer::whole() {
  Json choices = Json::array();
  for (auto& [index, choice] : choices_) {
    Json logprobs = nullptr;
    if (with_logprobs_) logprobs = {{"content", std::move(choice.logprobs)}};
    choices.push_back({{"index", index},
                       {"message",
                        {{"role", "assistant"},
                         {"content", std::move(choice.text)},
                         {"refusal", nullptr},
                         {"tool_calls", Json::array()}}},
                       {"logprobs", std::move(logprobs)},
                       {"finish_reason", choice.finish_reason},
                       {"stop_reason", choice.stop_reason}});
  }
  return {{"id", head_.id},       {"object", "chat.completion"},   {"created", head_.created},
          {"model", head_.model}, {"choices", std::move(choices)}, {"prompt_logprobs", std::move(prompt_logprobs_)}};
}

}  // namespace cairn::server
