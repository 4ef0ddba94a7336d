#include "model/tokenizer/byte_alphabet.h"

#include <array>

#include "base/text.h"

namespace cairn {
namespace {

struct Alphabet {
  std::array<std::string, 256> symbols;  // UTF-8 of the character for each byte
  std::array<int, 324> bytes;            // byte for each code point, -1 for none; the last code is 0x143
};

constexpr bool is_visible(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

Alphabet make_alphabet() {
  Alphabet alphabet;
  alphabet.bytes.fill(-1);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    int code = is_visible(byte) ? byte : next++;
    append_utf8(alphabet.symbols[static_cast<std::size_t>(byte)], static_cast<char32_t>(code));
    alphabet.bytes[static_cast<std::size_t>(code)] = byte;
  }
  return alphabet;
}

const Alphabet& alphabet() {
  static const Alphabet instance = make_alphabet();
  return instance;
}

}  // namespace

std::string_view byte_symbol(unsigned char byte) { return alphabet().symbols[byte]; }

void append_symbols(std::string& out, std::string_view bytes) {
  for (char byte : bytes) out += alphabet().symbols[static_cast<unsigned char>(byte)];
}

std::optional<std::string> symbols_to_bytes(std::string_view text) {
  const auto& bytes = alphabet().bytes;
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    // Every code of the alphabet is below U+0800: one or two bytes of UTF-8.
    std::size_t code = static_cast<unsigned char>(text[i]);
    if (code >= 0x80) {
      if (code < 0xC2 || code > 0xDF || i + 1 >= text.size()) return std::nullopt;
      unsigned tail = static_cast<unsigned char>(text[++i]);
      if ((tail & 0xC0) != 0x80) return std::nullopt;
      code = (code & 0x1F) << 6 | (tail & 0x3F);
    }
    if (code >= bytes.size() || bytes[code] < 0) return std::nullopt;
    out += static_cast<char>(bytes[code]);
  }
  return out;
}

}  // namespace cairn
