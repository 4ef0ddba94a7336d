// libFuzzer: any tokenizer.json or GGUF token lists give an Error or a tokenizer that encodes and decodes any text.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/tokenizer/small_tokenizer.h"

namespace {

// The input's first byte picks what the rest is; a zero byte ends that and starts the text.
cairn::TokenizerData make_data(std::uint8_t kind, std::string_view source) {
  cairn::TokenizerData data;
  if (kind % 3 == 0) {
    data.json = source;
  } else if (kind % 3 == 1) {
    // A patch to a whole tokenizer.json reaches further than random JSON.
    nlohmann::json document = cairn::small_json();
    nlohmann::json patch = nlohmann::json::parse(source, nullptr, false);
    if (!patch.is_discarded()) document.merge_patch(patch);
    data.json = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  } else {
    data = cairn::small_gguf();
    data.pre_tokenizer = "smollm";
    for (std::size_t line = source.find('\n'); line != source.npos; line = source.find('\n')) {
      std::string_view entry = source.substr(0, line);
      (entry.find(' ') == entry.npos ? data.tokens : data.merges).emplace_back(entry);
      source.remove_prefix(line + 1);
    }
    data.token_types.resize(data.tokens.size(), kind);
  }
  return data;
}

void check_text(const cairn::Tokenizer& tokenizer, std::string_view text) {
  std::vector<int> ids = tokenizer.encode(text, true);
  std::string whole = tokenizer.decode(ids, false), streamed;
  cairn::StreamDetokenizer stream(tokenizer, false);
  for (int id : ids) streamed += stream.push(id);
  streamed += stream.flush();
  if (streamed != whole) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  std::size_t end = std::min(input.find('\0'), input.size());
  try {
    auto tokenizer = cairn::Tokenizer::create(make_data(bytes[0], input.substr(0, end)));
    check_text(*tokenizer, input.substr(end));
    check_text(*tokenizer, "<|im_start|>the caf\u00e9 e\u0301 \U0001F600\n\n  12345 don't aaaa\xFF<|im_end|>");
  } catch (const cairn::Error&) {
    // Refused: fine.
  }
  return 0;
}
