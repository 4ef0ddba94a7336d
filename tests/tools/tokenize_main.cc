// cairn_tokenize MODEL [--add-special-tokens]: the tokenizer by itself, for comparisons with other implementations.
//
// MODEL is a tokenizer.json, a .gguf file or a model folder. Reads JSON lines: a string is encoded and answered by its
// ids, a list of ids is decoded (special tokens kept) and answered by a string.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "model/checkpoint/checkpoint.h"
#include "model/tokenizer/tokenizer.h"

namespace {

std::unique_ptr<const cairn::Tokenizer> open_tokenizer(const std::string& path) {
  if (!path.ends_with(".json")) return cairn::Tokenizer::create(cairn::Checkpoint::open(path)->tokenizer());
  cairn::TokenizerData data;
  data.json = cairn::read_text_file(path);
  return cairn::Tokenizer::create(data);
}

std::string answer(const cairn::Tokenizer& tokenizer, const std::string& line, bool add_special_tokens) {
  nlohmann::json input = nlohmann::json::parse(line);
  if (input.is_string())
    return nlohmann::json(tokenizer.encode(input.get_ref<const std::string&>(), add_special_tokens)).dump();
  return nlohmann::json(tokenizer.decode(input.get<std::vector<int>>(), false)).dump();
}

}  // namespace

int main(int argc, char** argv) {
  bool add_special_tokens = argc == 3 && std::string(argv[2]) == "--add-special-tokens";
  if (argc != 2 && !add_special_tokens) {
    fmt::print(stderr, "usage: cairn_tokenize MODEL [--add-special-tokens] < JSON lines\n");
    return 2;
  }
  std::ios::sync_with_stdio(false);
  try {
    std::unique_ptr<const cairn::Tokenizer> tokenizer = open_tokenizer(argv[1]);
    for (std::string line; std::getline(std::cin, line);)
      std::cout << answer(*tokenizer, line, add_special_tokens) << '\n';
  } catch (const std::exception& error) {
    fmt::print(stderr, "cairn_tokenize: {}\n", error.what());
    return 1;
  }
  return 0;
}
