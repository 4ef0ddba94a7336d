// Translates the patterns of tokenizer.json into PCRE2's dialect.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

/// tokenizer.json's patterns are written for Oniguruma (Ruby syntax, Unicode 16). Returns a PCRE2 pattern that matches
/// the same: \s, \w and \d are spelled out (PCRE2's \s has U+180E besides, its \w lacks marks), and categories such as
/// \p{L} gain the code points that PCRE2's older tables do not know. Throws unsupported, naming `what` and the
/// construct, where the dialects differ otherwise (set operations, back references, \b, \h, absence operators).
std::string to_pcre2(std::string_view pattern, std::string_view what);

/// A PCRE2 pattern for one character that is a number (N*) in Unicode 17: the reference's Digits.
std::string numeric_pattern();

}  // namespace cairn
