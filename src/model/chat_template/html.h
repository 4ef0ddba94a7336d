// Escaping for HTML, as the filters escape and e do.
#pragma once

#include <string>
#include <string_view>

namespace cairn::jinja {

/// Replaces & < > " ' by entities (the quotes by &#34; and &#39;).
inline std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace cairn::jinja
