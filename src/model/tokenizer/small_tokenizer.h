// For tests: tokenizer.json and GGUF data of a small byte-level vocabulary.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "model/tokenizer/byte_alphabet.h"
#include "model/tokenizer/tokenizer.h"

namespace cairn {

inline const std::vector<std::pair<std::string, std::string>>& small_merges() {
  static const std::vector<std::pair<std::string, std::string>> merges = {
      {"t", "h"},   {"th", "e"}, {"\u0120", "the"},    {"a", "a"},
      {"aa", "aa"}, {"a", "b"},  {"\u00e4", "\u00bd"}, {"\u00e4\u00bd", "\u0142"}};
  return merges;
}

/// Ids 0 to 255 are the bytes, then the merged tokens in order, then <|im_start|> and <|im_end|>.
inline TokenizerData small_gguf() {
  TokenizerData data;
  data.model = "gpt2";
  data.pre_tokenizer = "gpt-2";
  for (int byte = 0; byte < 256; ++byte) data.tokens.emplace_back(byte_symbol(static_cast<unsigned char>(byte)));
  for (const auto& [left, right] : small_merges()) {
    data.tokens.push_back(left + right);
    data.merges.push_back(left + " " + right);
  }
  data.token_types.assign(data.tokens.size(), 1);
  for (const char* special : {"<|im_start|>", "<|im_end|>"}) {
    data.tokens.push_back(special);
    data.token_types.push_back(3);
  }
  return data;
}

inline nlohmann::json small_json() {
  TokenizerData gguf = small_gguf();
  nlohmann::json vocabulary = nlohmann::json::object(), added = nlohmann::json::array();
  for (std::size_t id = 0; id < gguf.tokens.size(); ++id) {
    if (gguf.token_types[id] == 1)
      vocabulary[gguf.tokens[id]] = id;
    else
      added.push_back({{"id", id}, {"content", gguf.tokens[id]}, {"special", true}, {"normalized", false}});
  }
  nlohmann::json byte_level = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  return {{"added_tokens", added},       {"normalizer", nullptr},
          {"pre_tokenizer", byte_level}, {"post_processor", nullptr},
          {"decoder", byte_level},       {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", gguf.merges}}}};
}

inline std::unique_ptr<const Tokenizer> make_tokenizer(const nlohmann::json& document) {
  TokenizerData data;
  data.json = document.dump();
  return Tokenizer::create(data);
}

}  // namespace cairn
