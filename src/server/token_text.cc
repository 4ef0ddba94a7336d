#include "server/token_text.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace cairn {

std::string_view TokenText::bytes(int id) const {
  if (id < 0 || id >= tokenizer_.vocab_size()) return {};
  try {
    return tokenizer_.token_bytes(id);
  } catch (const Error&) {  // an id between two that no token has
    return {};
  }
}

std::string TokenText::text(int id) const {
  if (as_ids_) return fmt::format("token_id:{}", id);
  const std::string_view raw = bytes(id);
  if (sanitize_utf8(raw) == raw) return std::string(raw);
  std::string escaped;
  for (const char c : raw) escaped += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return escaped;
}

std::string TokenText::replaced(int id) const { return sanitize_utf8(bytes(id)); }

}  // namespace cairn
