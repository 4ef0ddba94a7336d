#include "server/logprobs_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace cairn::server {
namespace {

// JSON knows no infinity; vLLM's floor for what has no probability.
constexpr float kLowestLogprob = -9999.0f;

double shown(float logprob) { return std::isnan(logprob) ? kLowestLogprob : std::max(logprob, kLowestLogprob); }

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

std::string key_text(const Tokenizer& tokenizer, int id) {
  const std::string bytes = token_bytes(tokenizer, id);
  if (bytes == token_text(tokenizer, id)) return bytes;
  std::string text = "bytes:";
  for (const char byte : bytes) text += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
  return text;
}

Json chat_token(const Tokenizer& tokenizer, const TokenLogprob& token) {
  const std::string bytes = token_bytes(tokenizer, token.token_id);
  Json list = Json::array();
  for (const char byte : bytes) list.push_back(static_cast<unsigned char>(byte));
  return {{"token", token_text(tokenizer, token.token_id)}, {"logprob", shown(token.logprob)}, {"bytes", list}};
}

}  // namespace

std::string token_bytes(const Tokenizer& tokenizer, int id) {
  try {
    return std::string(tokenizer.token_bytes(id));
  } catch (const std::exception&) {
    return {};
  }
}

std::string token_text(const Tokenizer& tokenizer, int id) { return sanitize_utf8(token_bytes(tokenizer, id)); }

Json chat_logprob(const Tokenizer& tokenizer, const PositionLogprobs& position) {
  Json entry = chat_token(tokenizer, position.chosen);
  Json top = Json::array();
  for (const TokenLogprob& token : position.top) top.push_back(chat_token(tokenizer, token));
  entry["top_logprobs"] = std::move(top);
  return entry;
}

void CompletionLogprobs::add_token(int token_id) {
  tokens_.push_back(key_text(tokenizer_, token_id));
  offsets_.push_back(offset_);
  offset_ += count_characters(token_text(tokenizer_, token_id));
}

void CompletionLogprobs::add_bare(int token_id) {
  add_token(token_id);
  token_logprobs_.push_back(nullptr);
  top_logprobs_.push_back(nullptr);
}

void CompletionLogprobs::add(const PositionLogprobs& position) {
  add_token(position.chosen.token_id);
  token_logprobs_.push_back(shown(position.chosen.logprob));
  Json top = Json::object();
  auto& members = static_cast<Json::object_t::Container&>(top.get_ref<Json::object_t&>());
  // The sampled token is always among them.
  members.emplace_back(key_text(tokenizer_, position.chosen.token_id), shown(position.chosen.logprob));
  for (const TokenLogprob& token : position.top) {
    if (token.token_id == position.chosen.token_id) continue;
    members.emplace_back(key_text(tokenizer_, token.token_id), shown(token.logprob));
  }
  top_logprobs_.push_back(std::move(top));
}

Json CompletionLogprobs::take() {
  return {{"text_offset", std::exchange(offsets_, Json::array())},
          {"token_logprobs", std::exchange(token_logprobs_, Json::array())},
          {"tokens", std::exchange(tokens_, Json::array())},
          {"top_logprobs", std::exchange(top_logprobs_, Json::array())}};
}

Json prompt_logprobs(const Tokenizer& tokenizer, const std::vector<std::optional<PositionLogprobs>>& positions) {
  Json list = Json::array();
  for (const auto& position : positions) {
    if (!position) {
      list.push_back(nullptr);
      continue;
    }
    Json entry = Json::object();
    auto& members = static_cast<Json::object_t::Container&>(entry.get_ref<Json::object_t&>());
    const auto add = [&](const TokenLogprob& token) {
      members.emplace_back(std::to_string(token.token_id),
                           Json{{"logprob", shown(token.logprob)},
                                {"rank", token.rank},
                                {"decoded_token", token_text(tokenizer, token.token_id)}});
    };
    add(position->chosen);
    for (const TokenLogprob& token : position->top) {
      if (token.token_id != position->chosen.token_id) add(token);
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace cairn::server
