#include "server/bounded_json.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace cairn::server {
namespace {

// ordered_json finds members by linear search, so building an object through its operator[] is quadratic; here members
// are gathered first and equal keys removed by hash.
class Builder {
 public:
  explicit Builder(JsonLimits limits) : limits_(limits) {}

  Json take() { return std::move(root_); }
  const std::string& error() const { return error_; }

  // NOLINTBEGIN(readability-identifier-naming): nlohmann's names
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(std::int64_t value) { return add(value); }
  bool number_unsigned(std::uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(nlohmann::json::binary_t&) { return false; }
  bool key(std::string& value) {
    open_.back().key = std::move(value);
    return true;
  }
  bool start_object(std::size_t) { return start(true); }
  bool start_array(std::size_t) { return start(false); }
  bool end_object() { return end(object(std::move(open_.back().members))); }
  bool end_array() { return end(Json(std::move(open_.back().items))); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    error_ = error.what();
    return false;
  }
  // NOLINTEND

 private:
  using Members = std::vector<std::pair<std::string, Json>>;
  struct Open {
    bool is_object;
    std::string key;
    Members members;
    Json::array_t items;
  };

  bool start(bool is_object) {
    if (open_.size() >= limits_.max_depth) {
      error_ = fmt::format("nested deeper than {} levels", limits_.max_depth);
      return false;
    }
    open_.push_back({is_object, {}, {}, {}});
    return true;
  }

  bool end(Json value) {
    open_.pop_back();
    return add(std::move(value));
  }

  bool add(Json value) {
    if (++values_ > limits_.max_values) {
      error_ = fmt::format("more than {} values", limits_.max_values);
      return false;
    }
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members.emplace_back(std::move(open_.back().key), std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  static Json object(Members members) {
    std::unordered_map<std::string_view, std::size_t> place;
    std::vector<bool> superseded(members.size(), false);
    for (std::size_t i = 0; i < members.size(); ++i) {
      const auto [found, fresh] = place.try_emplace(members[i].first, i);
      if (fresh) continue;
      // Python's dict keeps the first one's place and the last one's value.
      members[found->second].second = std::move(members[i].second);
      superseded[i] = true;
    }
    Json result = Json::object();
    auto& container = static_cast<Json::object_t::Container&>(result.get_ref<Json::object_t&>());
    container.reserve(members.size());
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (!superseded[i]) container.emplace_back(members[i].first, std::move(members[i].second));
    }
    return result;
  }

  JsonLimits limits_;
  std::int64_t values_ = 0;
  std::vector<Open> open_;
  Json root_;
  std::string error_;
};

// "[json.exception.parse_error.101] parse error at line 1, column 2: …" without the library's tag.
std::string_view without_tag(std::string_view message) {
  const std::size_t end = message.find("] ");
  return message.starts_with('[') && end != std::string_view::npos ? message.substr(end + 2) : message;
}

}  // namespace

Json parse_json(std::string_view text, JsonLimits limits, std::string_view what) {
  Builder builder(limits);
  if (!Json::sax_parse(text, &builder)) {
    fail_invalid("{} is not usable JSON: {}", what, sanitize_utf8(without_tag(builder.error()).substr(0, 300)));
  }
  return builder.take();
}

std::string to_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace cairn::server
