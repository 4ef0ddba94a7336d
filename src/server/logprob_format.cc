#include "server/logprob_format.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace cairn {
namespace {

// JSON has no infinity; vLLM and OpenAI write -9999 for what cannot be.
double finite(float logprob) { return std::max(static_cast<double>(logprob), -9999.0); }

Json chat_entry(const TokenLogprob& token, const TokenText& tokens) {
  Json bytes = Json::array();
  for (const char c : tokens.bytes(token.token_id)) bytes.push_back(static_cast<unsigned char>(c));
  return {{"token", tokens.text(token.token_id)}, {"logprob", finite(token.logprob)}, {"bytes", std::move(bytes)}};
}

}  // namespace

Json chat_logprobs(std::span<const PositionLogprobs> positions, const TokenText& tokens) {
  Json list = Json::array();
  for (const PositionLogprobs& position : positions) {
    Json entry = chat_entry(position.chosen, tokens);
    Json& top = entry["top_logprobs"] = Json::array();
    for (const TokenLogprob& token : position.top) top.push_back(chat_entry(token, tokens));
    list.push_back(std::move(entry));
  }
  return list;
}

Json prompt_logprobs(std::span<const std::optional<PositionLogprobs>> positions, const TokenText& tokens) {
  Json list = Json::array();
  for (const auto& position : positions) {
    if (!position) {
      list.push_back(nullptr);
      continue;
    }
    Json entry = Json::object();
    const auto add = [&](const TokenLogprob& token) {
      entry[std::to_string(token.token_id)] = {{"logprob", finite(token.logprob)},
                                               {"rank", token.rank},
                                               {"decoded_token", tokens.replaced(token.token_id)}};
    };
    add(position->chosen);
    for (const TokenLogprob& token : position->top) add(token);
    list.push_back(std::move(entry));
  }
  return list;
}

void CompletionLogprobs::clear() {
  tokens_ = token_logprobs_ = top_logprobs_ = text_offsets_ = Json::array();
}

void CompletionLogprobs::add(int token, const PositionLogprobs* position, int top, const TokenText& tokens) {
  tokens_.push_back(tokens.text(token));
  text_offsets_.push_back(offset_);
  for (const char c : tokens.bytes(token)) offset_ += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  if (!position) {
    token_logprobs_.push_back(nullptr);
    top_logprobs_.push_back(nullptr);
    return;
  }
  token_logprobs_.push_back(finite(position->chosen.logprob));
  Json map = Json::object();
  map[tokens.text(token)] = finite(position->chosen.logprob);
  for (const TokenLogprob& other : position->top) {
    if (top-- == 0) break;
    map[tokens.text(other.token_id)] = finite(other.logprob);
  }
  top_logprobs_.push_back(std::move(map));
}

Json CompletionLogprobs::take() {
  Json object = {{"text_offset", std::move(text_offsets_)},
                 {"token_logprobs", std::move(token_logprobs_)},
                 {"tokens", std::move(tokens_)},
                 {"top_logprobs", std::move(top_logprobs_)}};
  clear();
  return object;
}

}  // namespace cairn
