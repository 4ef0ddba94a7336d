#include "model/chat_template/unicode.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/stringpiece.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cstring>

#include "base/error.h"

namespace cairn::jinja {

namespace {

using CaseFunction = void (*)(const char*, std::uint32_t, icu::StringPiece, icu::ByteSink&, icu::Edits*, UErrorCode&);

std::string map_case(CaseFunction function, std::string_view text) {
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<std::int32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
  function("", 0, piece, sink, nullptr, status);
  if (U_FAILURE(status)) fail(ErrorKind::internal, "changing the case of text: {}", u_errorName(status));
  return out;
}

std::string title_case(std::string_view character) {
  // ICU's own titling finds words by its rules, Python's does not; for a single character they agree.
  UErrorCode status = U_ZERO_ERROR;
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  icu::StringPiece piece(character.data(), static_cast<std::int32_t>(character.size()));
  icu::CaseMap::utf8ToTitle("", U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr, piece, sink, nullptr, status);
  if (U_FAILURE(status)) fail(ErrorKind::internal, "changing the case of text: {}", u_errorName(status));
  return out;
}

template <typename Strip>
std::string_view strip_if(std::string_view text, Side side, Strip strip) {
  if (side != Side::right) {
    for (std::size_t next = 0; !text.empty(); next = 0) {
      if (!strip(next_code_point(text, next))) break;
      text.remove_prefix(next);
    }
  }
  if (side != Side::left) {
    while (!text.empty()) {
      std::size_t start = text.size() - 1;
      while (start > 0 && U8_IS_TRAIL(text[start]) && text.size() - start < 4) --start;
      std::size_t next = start;
      if (!strip(next_code_point(text, next))) break;
      text = text.substr(0, start);
    }
  }
  return text;
}

}  // namespace

char32_t next_code_point(std::string_view text, std::size_t& position) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  std::size_t offset = position;
  UChar32 code;
  U8_NEXT_OR_FFFD(bytes, offset, text.size(), code);
  position = offset;
  return static_cast<char32_t>(code);
}

std::int64_t text_length(std::string_view text) {
  std::int64_t count = 0;
  for (char byte : text) count += !U8_IS_TRAIL(byte);
  return count;
}

std::size_t byte_offset(std::string_view text, std::int64_t index) {
  std::size_t position = 0;
  for (; position < text.size(); ++position) {
    if (!U8_IS_TRAIL(text[position]) && index-- == 0) break;
  }
  return position;
}

bool is_space(char32_t code) {
  if (code < 0x80) return code == ' ' || (code >= 9 && code <= 13) || (code >= 0x1c && code <= 0x1f);
  return code == 0x85 || code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
         code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

bool is_printable(char32_t code) {
  if (code == ' ') return true;
  constexpr std::uint32_t kHidden = U_GC_C_MASK | U_GC_Z_MASK;
  return (U_GET_GC_MASK(static_cast<UChar32>(code)) & kHidden) == 0;
}

bool is_alphabetic(char32_t code) { return (U_GET_GC_MASK(static_cast<UChar32>(code)) & U_GC_L_MASK) != 0; }

bool is_decimal(char32_t code) { return (U_GET_GC_MASK(static_cast<UChar32>(code)) & U_GC_ND_MASK) != 0; }

bool is_cased(char32_t code) { return u_hasBinaryProperty(static_cast<UChar32>(code), UCHAR_CASED) != 0; }

std::string to_upper(std::string_view text) { return map_case(&icu::CaseMap::utf8ToUpper, text); }

std::string to_lower(std::string_view text) { return map_case(&icu::CaseMap::utf8ToLower, text); }

std::string to_capitalized(std::string_view text) {
  if (text.empty()) return {};
  std::size_t first = 0;
  next_code_point(text, first);
  return title_case(text.substr(0, first)) + to_lower(text.substr(first));
}

std::string to_title(std::string_view text) {
  std::string out;
  for (std::size_t position = 0; position < text.size();) {
    std::size_t start = position;
    bool cased = false;
    std::size_t end = position;
    do {
      end = position;
      cased = is_cased(next_code_point(text, position));
    } while (cased && position < text.size());
    if (cased) end = position;
    out += to_capitalized(text.substr(start, end - start));
    if (!cased) out += text.substr(end, position - end);
  }
  return out;
}

std::size_t find_text(std::string_view text, std::string_view part, std::size_t from) {
  if (from > text.size()) return std::string_view::npos;
  if (part.empty()) return from;
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  if (!found) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

std::string_view strip_space(std::string_view text, Side side) { return strip_if(text, side, is_space); }

std::string_view strip_characters(std::string_view text, std::string_view characters, Side side) {
  std::u32string set;
  for (std::size_t position = 0; position < characters.size();) set += next_code_point(characters, position);
  return strip_if(text, side, [&set](char32_t code) { return set.find(code) != std::u32string::npos; });
}

}  // namespace cairn::jinja
