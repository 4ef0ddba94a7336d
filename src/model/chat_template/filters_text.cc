#include <algorithm>

#include "base/text.h"
#include "model/chat_template/filters.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/json_text.h"
#include "model/chat_template/printing.h"
#include "model/chat_template/text_format.h"
#include "model/chat_template/text_ops.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

Value upper(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "upper", arguments, {});
  return context.text(to_upper(to_str(context, input)));
}

Value lower(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "lower", arguments, {});
  return context.text(to_lower(to_str(context, input)));
}

Value capitalize(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "capitalize", arguments, {});
  return context.text(to_capitalized(to_str(context, input)));
}

// Unlike str.title, words begin after white space, a hyphen or an opening bracket only.
Value title(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "title", arguments, {});
  std::string text = to_str(context, input);
  auto begins_word = [](char32_t code) {
    return is_space(code) ||
           (code < 0x80 && std::string_view("-({[<").find(static_cast<char>(code)) != std::string::npos);
  };
  std::string out;
  std::size_t start = 0;
  for (std::size_t position = 0; position <= text.size();) {
    std::size_t end = position;
    bool at_end = position == text.size();
    if (!at_end && !begins_word(next_code_point(text, position))) continue;
    std::string_view word = std::string_view(text).substr(start, end - start);
    std::size_t first = byte_offset(word, 1);
    out += to_upper(word.substr(0, first));
    out += to_lower(word.substr(first));
    out += std::string_view(text).substr(end, at_end ? 0 : position - end);
    start = position;
    if (at_end) break;
  }
  return context.text(std::move(out));
}

Value trim(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "trim", arguments, {"chars"});
  const Text* text = as_text(input);
  std::string_view source = text ? text->text : as_text(context.text(to_str(context, input)))->text;
  bool safe = text && text->safe;
  if (!bound.find_set(0)) return Text{strip_space(source, Side::both), safe};
  return Text{strip_characters(context, source, bound.text(0, ""), Side::both), safe};
}

Value replace(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "replace", arguments, {"old", "new", "count"}, 2);
  std::int64_t count = bound.find_set(2) ? bound.integer(2, -1) : -1;
  return context.text(replace_text(context, to_str(context, input), to_str(context, bound.value(0)),
                                   to_str(context, bound.value(1)), count));
}

Value format(RenderContext& context, const Value& input, const CallArguments& arguments) {
  Value operand;
  if (arguments.named.empty()) {
    operand = context.tuple(arguments.positional);
  } else {
    if (!arguments.positional.empty()) context.fail("can't handle positional and keyword arguments at the same time");
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [name, value] : arguments.named) entries.emplace_back(text_value(name), value);
    operand = context.dict(std::move(entries));
  }
  return context.text(percent_format(context, to_str(context, input), operand));
}

Value string(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "string", arguments, {});
  return as_text(input) ? input : context.text(to_str(context, input));
}

Value safe(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "safe", arguments, {});
  if (const Text* text = as_text(input)) return Text{text->text, true};
  return context.text(to_str(context, input), true);
}

Value force_escape(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "escape", arguments, {});
  return context.text(escape_html(to_str(context, input)), true);
}

Value escape(RenderContext& context, const Value& input, const CallArguments& arguments) {
  const Text* text = as_text(input);
  return text && text->safe ? input : force_escape(context, input, arguments);
}

Value tojson(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = bound.flag(0, false);
  style.sort_keys = bound.flag(3, false);
  if (const Value* indent = bound.find_set(1)) {
    if (as_text(*indent)) {
      style.indent = as_text(*indent)->text;
    } else {
      std::int64_t width = std::max<std::int64_t>(bound.integer(1, 0), 0);
      context.require_memory(width);
      style.indent = std::string(static_cast<std::size_t>(width), ' ');
    }
    style.item_separator = ",";
  }
  if (const Value* separators = bound.find_set(2)) {
    std::span<const Value> pair = iterate(context, *separators);
    if (pair.size() != 2 || !as_text(pair[0]) || !as_text(pair[1]))
      context.fail("tojson: separators must be two texts");
    style.item_separator = as_text(pair[0])->text;
    style.key_separator = as_text(pair[1])->text;
  }
  return context.text(to_json(context, input, style));
}

Value indent(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "indent", arguments, {"width", "first", "blank"});
  std::string prefix;
  if (bound.find(0) && as_text(*bound.find(0))) {
    prefix = bound.text(0, "");
  } else {
    std::int64_t width = std::max<std::int64_t>(bound.integer(0, 4), 0);
    context.require_memory(width);
    prefix.assign(static_cast<std::size_t>(width), ' ');
  }
  bool blank = bound.flag(2, false);
  std::string text = to_str(context, input) + "\n";  // so that a final empty line counts
  std::string out;
  bool first = true;
  for (std::string_view line : split_into_lines(context, text, false)) {
    context.require_memory(static_cast<std::int64_t>(out.size() + prefix.size() + line.size()));
    bool indented = first ? bound.flag(1, false) : blank || !line.empty();
    if (!first) out += '\n';
    if (indented) out += prefix;
    out += line;
    first = false;
  }
  return context.text(std::move(out));
}

Value center(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "center", arguments, {"width"});
  return context.text(justify_text(context, to_str(context, input), bound.integer(0, 80), " ", '^'));
}

Value word_count(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "wordcount", arguments, {});
  std::string text = to_str(context, input);
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t position = 0; position < text.size();) {
    char32_t code = next_code_point(text, position);
    bool letter = is_alphabetic(code) || is_decimal(code) || code == '_';
    words += letter && !inside;
    inside = letter;
  }
  return words;
}

constexpr Filter kFilters[] = {
    {"upper", upper},          {"lower", lower},   {"capitalize", capitalize},
    {"title", title},          {"trim", trim},     {"replace", replace},
    {"format", format},        {"string", string}, {"safe", safe},
    {"escape", escape},        {"e", escape},      {"forceescape", force_escape},
    {"tojson", tojson},        {"indent", indent}, {"center", center},
    {"wordcount", word_count},
};

}  // namespace

std::span<const Filter> text_filters() { return kFilters; }

}  // namespace cairn::jinja
