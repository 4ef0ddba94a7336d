// GPT-2's printable alphabet: every byte has a character that stands for it in byte-level vocabularies.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn {

/// UTF-8 of the character that stands for `byte`: itself for visible Latin-1, else U+0100 and up ("Ġ" for a space).
std::string_view byte_symbol(unsigned char byte);

/// Appends the vocabulary's spelling of raw bytes.
void append_symbols(std::string& out, std::string_view bytes);

/// The raw bytes that `text` (UTF-8) spells, or nullopt when it holds a character outside the alphabet.
std::optional<std::string> symbols_to_bytes(std::string_view text);

}  // namespace cairn
