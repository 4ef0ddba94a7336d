// Code points that Unicode assigned after version 14, for libraries whose tables end there.
#pragma once

#include <span>
#include <string_view>

namespace cairn {

struct UnicodeAddition {
  char32_t first, last;
  std::string_view category;  // general category, e.g. "Lo"
  int version;                // 16: assigned by Unicode 15 or 16; 17: by 17 (numbers only)
};

/// All additions, by version and then in order.
std::span<const UnicodeAddition> unicode_additions();

}  // namespace cairn
