#include "model/chat_template/data.h"

#include <limits>

namespace cairn::jinja {

namespace {

Value from_unsigned(std::uint64_t value) {
  constexpr auto kLargest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return value <= kLargest ? Value(static_cast<std::int64_t>(value)) : Value(value);
}

}  // namespace

Value from_json(RenderContext& context, const nlohmann::ordered_json& data) {
  using Type = nlohmann::ordered_json::value_t;
  DepthGuard depth(context);
  switch (data.type()) {
    case Type::boolean:
      return data.get<bool>();
    case Type::number_integer:
      return data.get<std::int64_t>();
    case Type::number_unsigned:
      return from_unsigned(data.get<std::uint64_t>());
    case Type::number_float:
      return data.get<double>();
    case Type::string:
      return text_value(data.get_ref<const std::string&>());
    case Type::array: {
      std::vector<Value> items;
      for (const auto& item : data) items.push_back(from_json(context, item));
      return context.list(std::move(items));
    }
    case Type::object: {
      std::vector<std::pair<Value, Value>> entries;
      for (const auto& [key, value] : data.items()) entries.emplace_back(text_value(key), from_json(context, value));
      return context.dict(std::move(entries));
    }
    default:
      return None{};
  }
}

}  // namespace cairn::jinja
