#include "model/chat_template/json_text.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/printing.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

class JsonWriter {
 public:
  JsonWriter(RenderContext& context, const JsonStyle& style) : context_(context), style_(style) {}

  void write(const Value& value) {
    context_.charge(RenderContext::kStep);
    context_.require_memory(static_cast<std::int64_t>(out_.size()));
    if (const Text* text = as_text(value)) return quoted(text->text);
    if (is_none(value)) return append("null");
    if (const bool* boolean = std::get_if<bool>(&value)) return append(*boolean ? "true" : "false");
    if (const double* real = std::get_if<double>(&value)) return append(json_real(*real));
    const Sequence* sequence = as_sequence(value);
    if (sequence && (sequence->kind == SequenceKind::list || sequence->kind == SequenceKind::tuple)) {
      return array(*sequence);
    }
    if (const Dict* dict = as_dict(value)) return object(*dict);
    bool integer = std::holds_alternative<std::int64_t>(value) || std::holds_alternative<std::uint64_t>(value);
    if (!integer) context_.fail("Object of type {} is not JSON serializable", type_name(value));
    append_str(context_, out_, value);
  }

  std::string take() { return std::move(out_); }

 private:
  void append(std::string_view text) { out_ += text; }

  static std::string json_real(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return float_repr(value);
  }

  void quoted(std::string_view text) {
    context_.charge(static_cast<std::int64_t>(text.size()));
    context_.require_memory(static_cast<std::int64_t>(out_.size() + text.size()));
    out_ += '"';
    for (std::size_t position = 0; position < text.size();) {
      std::size_t start = position;
      char32_t code = next_code_point(text, position);
      if (code < 0x20 || code == '"' || code == '\\') {
        escape(code);
      } else if (code >= 0x7f && style_.ensure_ascii) {
        code == 0x7f ? append("\x7f") : escape_unicode(code);
      } else {
        out_ += text.substr(start, position - start);
      }
    }
    out_ += '"';
  }

  void escape(char32_t code) {
    switch (code) {
      case '"':
        return append("\\\"");
      case '\\':
        return append("\\\\");
      case '\n':
        return append("\\n");
      case '\r':
        return append("\\r");
      case '\t':
        return append("\\t");
      case '\f':
        return append("\\f");
      case '\b':
        return append("\\b");
      default:
        return escape_unicode(code);
    }
  }

  void escape_unicode(char32_t code) {
    auto unit = static_cast<std::uint32_t>(code);
    if (unit < 0x10000) {
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", unit);
      return;
    }
    unit -= 0x10000;
    fmt::format_to(std::back_inserter(out_), "\\u{:04x}\\u{:04x}", 0xd800 + (unit >> 10), 0xdc00 + (unit & 0x3ff));
  }

  void new_line() {
    if (!style_.indent) return;
    context_.require_memory(static_cast<std::int64_t>(out_.size() + style_.indent->size() * level_));
    out_ += '\n';
    for (std::size_t i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  void array(const Sequence& sequence) {
    if (sequence.items.empty()) return append("[]");
    DepthGuard depth(context_);
    out_ += '[';
    ++level_;
    for (std::size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line();
      write(sequence.items[i]);
    }
    --level_;
    new_line();
    out_ += ']';
  }

  void object(const Dict& dict) {
    if (dict.entries.empty()) return append("{}");
    DepthGuard depth(context_);
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [this](const auto* a, const auto* b) { return less(context_, a->first, b->first); });
    }
    out_ += '{';
    ++level_;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line();
      key(entries[i]->first);
      out_ += style_.key_separator;
      write(entries[i]->second);
    }
    --level_;
    new_line();
    out_ += '}';
  }

  void key(const Value& key) {
    if (as_text(key)) return write(key);
    if (as_sequence(key) || is_undefined(key)) context_.fail("keys must be str, int, float, bool or None");
    out_ += '"';
    write(key);
    out_ += '"';
  }

  RenderContext& context_;
  const JsonStyle& style_;
  std::string out_;
  std::size_t level_ = 0;
};

}  // namespace

std::string to_json(RenderContext& context, const Value& value, const JsonStyle& style) {
  JsonWriter writer(context, style);
  writer.write(value);
  return writer.take();
}

}  // namespace cairn::jinja
