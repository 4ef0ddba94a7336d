#include "model/chat_template/printing.h"

#include <charconv>
#include <cmath>

#include "base/text.h"
#include "model/chat_template/ast.h"
#include "model/chat_template/methods.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

void append_escaped(std::string& out, std::string_view text) {
  bool single = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  char quote = single ? '"' : '\'';
  out += quote;
  for (std::size_t position = 0; position < text.size();) {
    char32_t code = next_code_point(text, position);
    if (code == static_cast<char32_t>(quote) || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code == '\n') {
      out += "\\n";
    } else if (code == '\r') {
      out += "\\r";
    } else if (code == '\t') {
      out += "\\t";
    } else if (is_printable(code)) {
      append_utf8(out, code);
    } else if (code < 0x100) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<std::uint32_t>(code));
    } else if (code < 0x10000) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(code));
    } else {
      fmt::format_to(std::back_inserter(out), "\\U{:08x}", static_cast<std::uint32_t>(code));
    }
  }
  out += quote;
}

struct Repr {
  RenderContext& context;
  std::string& out;

  void operator()(const Undefined&) const { out += "Undefined"; }
  void operator()(const None&) const { out += "None"; }
  void operator()(bool value) const { out += value ? "True" : "False"; }
  void operator()(std::int64_t value) const { out += std::to_string(value); }
  void operator()(std::uint64_t value) const { out += std::to_string(value); }
  void operator()(double value) const { out += float_repr(value); }
  void operator()(const Text& value) const {
    context.charge(static_cast<std::int64_t>(value.text.size()));
    if (value.safe) out += "Markup(";
    append_escaped(out, value.text);
    if (value.safe) out += ')';
  }

  void operator()(const Sequence* value) const {
    switch (value->kind) {
      case SequenceKind::list:
        return items(*value, "[", "]");
      case SequenceKind::tuple:
        return items(*value, "(", value->items.size() == 1 ? ",)" : ")");
      case SequenceKind::range:
        return range(*value);
      case SequenceKind::view:
        out += value->view_name;
        return items(*value, "([", "])");
      case SequenceKind::generator:
        out += "<generator object>";
    }
  }

  void operator()(const Dict* value) const {
    DepthGuard depth(context);
    out += '{';
    for (std::size_t i = 0; i < value->entries.size(); ++i) {
      if (i > 0) out += ", ";
      append_repr(context, out, value->entries[i].first);
      out += ": ";
      append_repr(context, out, value->entries[i].second);
    }
    out += '}';
  }

  void operator()(const Namespace* value) const {
    DepthGuard depth(context);
    out += "<Namespace {";
    for (std::size_t i = 0; i < value->attributes.size(); ++i) {
      if (i > 0) out += ", ";
      append_escaped(out, value->attributes[i].first);
      out += ": ";
      append_repr(context, out, value->attributes[i].second);
    }
    out += "}>";
  }

  void operator()(const Loop* value) const {
    fmt::format_to(std::back_inserter(out), "<LoopContext {}/{}>", value->index + 1, value->items->size());
  }
  void operator()(const Macro* value) const {
    fmt::format_to(std::back_inserter(out), "<Macro '{}'>", value->definition->name);
  }
  void operator()(const BoundMethod* value) const {
    fmt::format_to(std::back_inserter(out), "<built-in method {} of {} object>", value->method->name,
                   type_name(value->self));
  }
  void operator()(const Function*) const { out += "<function>"; }

 private:
  void items(const Sequence& value, std::string_view open, std::string_view close) const {
    DepthGuard depth(context);
    out += open;
    for (std::size_t i = 0; i < value.items.size(); ++i) {
      if (i > 0) out += ", ";
      append_repr(context, out, value.items[i]);
    }
    out += close;
  }

  void range(const Sequence& value) const {
    auto [start, stop, step] = value.bounds;
    fmt::format_to(std::back_inserter(out), "range({}, {}", start, stop);
    if (step != 1) fmt::format_to(std::back_inserter(out), ", {}", step);
    out += ')';
  }
};

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  char* end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  std::string_view digits(buffer, static_cast<std::size_t>(end - buffer));
  std::size_t mark = digits.find('e');
  int exponent = 0;
  const char* exponent_digits = digits.data() + mark + (digits[mark + 1] == '+' ? 2 : 1);
  std::from_chars(exponent_digits, end, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(digits);
  end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed).ptr;
  std::string out(buffer, end);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

void append_repr(RenderContext& context, std::string& out, const Value& value) {
  context.charge(RenderContext::kStep);
  std::visit(Repr{context, out}, value);
  // Shared containers can print exponentially larger than they are.
  context.require_memory(static_cast<std::int64_t>(out.size()));
}

void append_str(RenderContext& context, std::string& out, const Value& value) {
  if (const Text* text = as_text(value)) {
    context.require_memory(static_cast<std::int64_t>(out.size() + text->text.size()));
    context.charge(static_cast<std::int64_t>(text->text.size()));
    out += text->text;
  } else if (!is_undefined(value)) {
    append_repr(context, out, value);
  }
}

std::string to_str(RenderContext& context, const Value& value) {
  std::string out;
  append_str(context, out, value);
  return out;
}

}  // namespace cairn::jinja
