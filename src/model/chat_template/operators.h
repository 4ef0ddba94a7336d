// Python's operators on template values.
#pragma once

#include <string_view>

#include "model/chat_template/render_context.h"
#include "model/chat_template/value.h"

namespace cairn::jinja {

enum class BinaryOperator { add, subtract, multiply, divide, floor_divide, modulo, power };
enum class ComparisonOperator { equal, not_equal, less, less_equal, greater, greater_equal, in, not_in };

/// The operator as it is written: "+", "//", "not in".
std::string_view spelling(BinaryOperator op);
std::string_view spelling(ComparisonOperator op);

/// Fails with TypeError's, ZeroDivisionError's or OverflowError's meaning. `%` on text formats it.
Value apply(RenderContext& context, BinaryOperator op, const Value& left, const Value& right);
Value negate(RenderContext& context, const Value& value);
Value positive(RenderContext& context, const Value& value);

bool compare(RenderContext& context, ComparisonOperator op, const Value& left, const Value& right);
/// Python's `==`: numbers across their types, containers item by item, other types by identity.
bool equals(RenderContext& context, const Value& left, const Value& right);
/// Python's `<`; fails for values that have no order.
bool less(RenderContext& context, const Value& left, const Value& right);
/// `item in container`.
bool contains(RenderContext& context, const Value& container, const Value& item);

/// The entry for `key`, or null. Fails for keys that Python cannot hash (lists, dicts).
const Value* find(RenderContext& context, const Dict& dict, const Value& key);
/// Whether Python could use the value as a dict key.
bool is_hashable(const Value& value);
/// Sets `entries[key]`, keeping the place of a key already there.
void assign(RenderContext& context, std::vector<std::pair<Value, Value>>& entries, const Value& key,
            const Value& value);

}  // namespace cairn::jinja
