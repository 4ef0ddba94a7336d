#include "model/chat_template/filters.h"

#include <algorithm>
#include <array>

#include "model/chat_template/unicode.h"

namespace cairn::jinja {

const Filter* find_filter(std::string_view name) {
  for (auto table : {text_filters(), number_filters(), sequence_filters(), ordering_filters(), selection_filters()}) {
    auto found = std::find_if(table.begin(), table.end(), [name](const Filter& filter) { return filter.name == name; });
    if (found != table.end()) return &*found;
  }
  return nullptr;
}

bool is_unsupported_filter(std::string_view name) {
  constexpr std::array<std::string_view, 11> kNames = {"filesizeformat", "groupby",   "pprint",   "random",
                                                       "slice",          "striptags", "truncate", "urlencode",
                                                       "urlize",         "wordwrap",  "xmlattr"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

Value fold_case(RenderContext& context, const Value& value, bool case_sensitive) {
  const Text* text = as_text(value);
  return text && !case_sensitive ? context.text(to_lower(text->text)) : value;
}

}  // namespace cairn::jinja
