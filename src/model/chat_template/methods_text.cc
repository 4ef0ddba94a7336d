#include <algorithm>
#include <vector>

#include "model/chat_template/iteration.h"
#include "model/chat_template/methods.h"
#include "model/chat_template/printing.h"
#include "model/chat_template/text_format.h"
#include "model/chat_template/text_ops.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

std::string_view self_text(const Value& self) { return as_text(self)->text; }

template <Side side>
Value strip(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "strip", arguments, {"chars"});
  std::string_view text = self_text(self);
  if (!bound.find_set(0)) return Text{strip_space(text, side), as_text(self)->safe};
  std::string_view set = bound.text(0, "");
  context.charge(static_cast<std::int64_t>(set.size()));
  return Text{strip_characters(context, text, set, side), as_text(self)->safe};
}

Value upper(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "upper", arguments, {});
  return context.text(to_upper(self_text(self)));
}

Value lower(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "lower", arguments, {});
  return context.text(to_lower(self_text(self)));
}

Value title(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "title", arguments, {});
  return context.text(to_title(self_text(self)));
}

Value capitalize(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "capitalize", arguments, {});
  return context.text(to_capitalized(self_text(self)));
}

template <bool at_start>
Value has_affix(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, at_start ? "startswith" : "endswith", arguments, {"prefix"}, 1);
  std::string_view text = self_text(self);
  auto matches = [&](std::string_view affix) { return at_start ? text.starts_with(affix) : text.ends_with(affix); };
  const Sequence* choices = as_sequence(bound.value(0));
  if (!choices || choices->kind != SequenceKind::tuple) return matches(bound.text(0, ""));
  return std::any_of(choices->items.begin(), choices->items.end(), [&](const Value& choice) {
    if (!as_text(choice)) context.fail("tuple for startswith/endswith must only contain str");
    return matches(as_text(choice)->text);
  });
}

template <bool prefix>
Value remove_affix(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, prefix ? "removeprefix" : "removesuffix", arguments, {"affix"}, 1);
  std::string_view text = self_text(self);
  std::string_view affix = bound.text(0, "");
  if (prefix && text.starts_with(affix)) text.remove_prefix(affix.size());
  if (!prefix && text.ends_with(affix)) text.remove_suffix(affix.size());
  return text_value(text);
}

Value to_texts(RenderContext& context, const std::vector<std::string_view>& parts) {
  std::vector<Value> items;
  for (std::string_view part : parts) items.push_back(text_value(part));
  return context.list(std::move(items));
}

template <bool from_left>
Value split(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, from_left ? "split" : "rsplit", arguments, {"sep", "maxsplit"});
  std::int64_t limit = bound.integer(1, -1);
  std::string_view text = self_text(self);
  if (!bound.find_set(0)) return to_texts(context, split_space(context, text, limit, from_left));
  return to_texts(context, split_text(context, text, bound.text(0, ""), limit, from_left));
}

Value split_lines(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "splitlines", arguments, {"keepends"});
  return to_texts(context, split_into_lines(context, self_text(self), bound.flag(0, false)));
}

template <bool from_left>
Value partition(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, from_left ? "partition" : "rpartition", arguments, {"sep"}, 1);
  std::string_view text = self_text(self);
  std::string_view separator = bound.text(0, "");
  if (separator.empty()) context.fail("empty separator");
  std::size_t at = from_left ? find_text(text, separator) : find_last_text(context, text, separator);
  Value empty = text_value("");
  if (at == std::string_view::npos) {
    return from_left ? context.tuple({text_value(text), empty, empty})
                     : context.tuple({empty, empty, text_value(text)});
  }
  return context.tuple(
      {text_value(text.substr(0, at)), text_value(separator), text_value(text.substr(at + separator.size()))});
}

Value replace(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "replace", arguments, {"old", "new", "count"}, 2);
  return context.text(
      replace_text(context, self_text(self), bound.text(0, ""), bound.text(1, ""), bound.integer(2, -1)));
}

Value join(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "join", arguments, {"iterable"}, 1);
  std::string out;
  bool first = true;
  for (const Value& item : iterate(context, bound.value(0))) {
    const Text* text = as_text(item);
    if (!text) context.fail("join(): expected str instance, {} found", type_name(item));
    context.require_memory(static_cast<std::int64_t>(out.size() + self_text(self).size() + text->text.size()));
    if (!first) out += self_text(self);
    first = false;
    out += text->text;
  }
  return context.text(std::move(out));
}

// Position in code points of the argument, or -1.
template <bool from_left>
std::int64_t position_of(RenderContext& context, std::string_view text, const CallArguments& arguments) {
  BoundArguments bound(context, from_left ? "find" : "rfind", arguments, {"sub", "start", "end"}, 1);
  context.charge(static_cast<std::int64_t>(text.size()));
  std::int64_t length = text_length(text);
  auto resolve = [length](std::int64_t index) {
    return std::clamp<std::int64_t>(index < 0 ? index + length : index, 0, length);
  };
  std::int64_t start = resolve(bound.find_set(1) ? bound.integer(1, 0) : 0);
  std::int64_t end = resolve(bound.find_set(2) ? bound.integer(2, length) : length);
  if (start > end) return -1;
  std::size_t first = byte_offset(text, start);
  std::string_view range = text.substr(first, byte_offset(text, end) - first);
  std::string_view part = bound.text(0, "");
  std::size_t at = from_left ? find_text(range, part) : find_last_text(context, range, part);
  return at == std::string_view::npos ? -1 : start + text_length(range.substr(0, at));
}

template <bool from_left>
Value find_method(RenderContext& context, const Value& self, const CallArguments& arguments) {
  return position_of<from_left>(context, self_text(self), arguments);
}

template <bool from_left>
Value index_method(RenderContext& context, const Value& self, const CallArguments& arguments) {
  std::int64_t position = position_of<from_left>(context, self_text(self), arguments);
  if (position < 0) context.fail("substring not found");
  return position;
}

Value count(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "count", arguments, {"sub"}, 1);
  return count_text(context, self_text(self), bound.text(0, ""));
}

Value format(RenderContext& context, const Value& self, const CallArguments& arguments) {
  return context.text(brace_format(context, self_text(self), arguments));
}

template <char align>
Value justify(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "ljust/rjust/center", arguments, {"width", "fillchar"}, 1);
  return context.text(justify_text(context, self_text(self), bound.integer(0, 0), bound.text(1, " "), align));
}

Value zfill(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "zfill", arguments, {"width"}, 1);
  std::string_view text = self_text(self);
  std::string_view sign = text.substr(0, !text.empty() && (text[0] == '-' || text[0] == '+'));
  std::int64_t width = bound.integer(0, 0) - static_cast<std::int64_t>(sign.size());
  std::string digits = justify_text(context, text.substr(sign.size()), width, "0", '>');
  return context.text(std::string(sign) + digits);
}

template <bool (*predicate)(char32_t)>
Value all_are(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, "is…", arguments, {});
  std::string_view text = self_text(self);
  context.charge(static_cast<std::int64_t>(text.size()));
  for (std::size_t position = 0; position < text.size();) {
    if (!predicate(next_code_point(text, position))) return false;
  }
  return !text.empty();
}

bool is_letter_or_digit(char32_t code) { return is_alphabetic(code) || is_decimal(code); }

template <bool upper>
Value has_case(RenderContext& context, const Value& self, const CallArguments& arguments) {
  BoundArguments bound(context, upper ? "isupper" : "islower", arguments, {});
  return is_all_case(context, self_text(self), upper);
}

constexpr Method kMethods[] = {
    {"strip", strip<Side::both>},
    {"lstrip", strip<Side::left>},
    {"rstrip", strip<Side::right>},
    {"upper", upper},
    {"lower", lower},
    {"title", title},
    {"capitalize", capitalize},
    {"startswith", has_affix<true>},
    {"endswith", has_affix<false>},
    {"removeprefix", remove_affix<true>},
    {"removesuffix", remove_affix<false>},
    {"split", split<true>},
    {"rsplit", split<false>},
    {"splitlines", split_lines},
    {"partition", partition<true>},
    {"rpartition", partition<false>},
    {"replace", replace},
    {"join", join},
    {"find", find_method<true>},
    {"rfind", find_method<false>},
    {"index", index_method<true>},
    {"rindex", index_method<false>},
    {"count", count},
    {"format", format},
    {"ljust", justify<'<'>},
    {"rjust", justify<'>'>},
    {"center", justify<'^'>},
    {"zfill", zfill},
    {"isalpha", all_are<is_alphabetic>},
    {"isdigit", all_are<is_decimal>},
    {"isdecimal", all_are<is_decimal>},
    {"isnumeric", all_are<is_decimal>},
    {"isalnum", all_are<is_letter_or_digit>},
    {"isspace", all_are<is_space>},
    {"isupper", has_case<true>},
    {"islower", has_case<false>},
};

}  // namespace

std::span<const Method> text_methods() { return kMethods; }

}  // namespace cairn::jinja
