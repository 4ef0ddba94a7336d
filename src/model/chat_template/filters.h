// The filters: {{ value|name(arguments) }}.
#pragma once

#include <span>
#include <string_view>

#include "model/chat_template/arguments.h"
#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

struct Filter {
  std::string_view name;
  Value (*call)(RenderContext& context, const Value& input, const CallArguments& arguments);
};

/// The filter of that name, or null.
const Filter* find_filter(std::string_view name);

/// Whether jinja2 has a filter of that name that Cairn does not.
bool is_unsupported_filter(std::string_view name);

std::span<const Filter> text_filters();
std::span<const Filter> number_filters();
std::span<const Filter> sequence_filters();
std::span<const Filter> ordering_filters();
std::span<const Filter> selection_filters();

/// Text in lower case unless `case_sensitive`; other values as they are. How filters compare by default.
Value fold_case(RenderContext& context, const Value& value, bool case_sensitive);

}  // namespace cairn::jinja
