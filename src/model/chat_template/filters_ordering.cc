#include <algorithm>

#include "model/chat_template/access.h"
#include "model/chat_template/filters.h"
#include "model/chat_template/iteration.h"
#include "model/chat_template/operators.h"

namespace cairn::jinja {

namespace {

struct Keyed {
  std::vector<Value> keys;
  Value item;
};

// The values to compare an item by: the item, one attribute or several separated by commas.
std::vector<Value> keys_of(RenderContext& context, const Value& item, const Value* attribute, bool case_sensitive) {
  if (!attribute) return {fold_case(context, item, case_sensitive)};
  const Text* text = as_text(*attribute);
  if (!text) return {fold_case(context, follow_path(context, item, *attribute), case_sensitive)};
  std::vector<Value> keys;
  std::string_view rest = text->text;
  while (true) {
    std::size_t comma = std::min(rest.find(','), rest.size());
    Value key = follow_path(context, item, text_value(rest.substr(0, comma)));
    keys.push_back(fold_case(context, key, case_sensitive));
    if (comma == rest.size()) return keys;
    rest.remove_prefix(comma + 1);
  }
}

bool less_keys(RenderContext& context, const std::vector<Value>& left, const std::vector<Value>& right) {
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (!equals(context, left[i], right[i])) return less(context, left[i], right[i]);
  }
  return false;
}

// stable_sort stays inside the range whatever a comparison with NaN answers; sort would not.
void sort_by_keys(RenderContext& context, std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? less_keys(context, b.keys, a.keys) : less_keys(context, a.keys, b.keys);
  });
}

std::vector<Keyed> with_keys(RenderContext& context, std::span<const Value> items, const Value* attribute,
                             bool case_sensitive) {
  context.require_memory(static_cast<std::int64_t>(items.size() * (sizeof(Keyed) + sizeof(Value))));
  std::vector<Keyed> keyed;
  for (const Value& item : items) keyed.push_back({keys_of(context, item, attribute, case_sensitive), item});
  return keyed;
}

Value sort(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "sort", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<Keyed> keyed = with_keys(context, iterate(context, input), bound.find_set(2), bound.flag(1, false));
  sort_by_keys(context, keyed, bound.flag(0, false));
  std::vector<Value> sorted;
  for (const Keyed& entry : keyed) sorted.push_back(entry.item);
  return context.list(std::move(sorted));
}

Value dictsort(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const Dict* dict = as_dict(input);
  if (!dict) context.fail("dictsort needs a mapping, not {}", type_name(input));
  std::string_view by = bound.text(1, "key");
  if (by != "key" && by != "value") context.fail("You can only sort by either \"key\" or \"value\"");
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : dict->entries) {
    Value sort_key = fold_case(context, by == "key" ? key : value, bound.flag(0, false));
    keyed.push_back({{sort_key}, context.tuple({key, value})});
  }
  sort_by_keys(context, keyed, bound.flag(2, false));
  std::vector<Value> sorted;
  for (const Keyed& entry : keyed) sorted.push_back(entry.item);
  return context.list(std::move(sorted));
}

Value unique(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, "unique", arguments, {"case_sensitive", "attribute"});
  std::vector<Keyed> keyed = with_keys(context, iterate(context, input), bound.find_set(1), bound.flag(0, false));
  std::vector<Value> kept;
  std::vector<Value> seen;
  for (const Keyed& entry : keyed) {
    const Value& key = entry.keys[0];
    bool repeated =
        std::any_of(seen.begin(), seen.end(), [&](const Value& other) { return equals(context, key, other); });
    if (repeated) continue;
    seen.push_back(key);
    kept.push_back(entry.item);
  }
  return context.generator(std::move(kept));
}

template <bool largest>
Value extreme(RenderContext& context, const Value& input, const CallArguments& arguments) {
  BoundArguments bound(context, largest ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  std::vector<Keyed> keyed = with_keys(context, iterate(context, input), bound.find_set(1), bound.flag(0, false));
  if (keyed.empty()) return context.undefined("No aggregated item, sequence was empty.");
  const Keyed* best = &keyed[0];
  for (const Keyed& entry : keyed) {
    bool better = largest ? less_keys(context, best->keys, entry.keys) : less_keys(context, entry.keys, best->keys);
    if (better) best = &entry;
  }
  return best->item;
}

constexpr Filter kFilters[] = {
    {"sort", sort}, {"dictsort", dictsort}, {"unique", unique}, {"min", extreme<false>}, {"max", extreme<true>},
};

}  // namespace

std::span<const Filter> ordering_filters() { return kFilters; }

}  // namespace cairn::jinja
