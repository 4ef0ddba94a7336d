#include "model/chat_template/text_format.h"

#include <cmath>

#include "model/chat_template/number_format.h"
#include "model/chat_template/operators.h"
#include "model/chat_template/printing.h"
#include "model/chat_template/unicode.h"

namespace cairn::jinja {

namespace {

constexpr std::string_view kIntegerTypes = "diuxXo";
constexpr std::string_view kRealTypes = "fFeEgG";

std::int64_t to_whole(RenderContext& context, const Value& value, char type) {
  std::int64_t integer = 0;
  if (to_integer(value, integer)) return integer;
  const double* real = std::get_if<double>(&value);
  if (!real || type == 'x' || type == 'X' || type == 'o' || std::fabs(*real) >= 0x1p63) {
    context.fail("%{} format: a number is required, not {}", type, type_name(value));
  }
  return static_cast<std::int64_t>(*real);
}

double to_real(RenderContext& context, const Value& value) {
  if (const double* real = std::get_if<double>(&value)) return *real;
  std::int64_t integer = 0;
  if (to_integer(value, integer)) return static_cast<double>(integer);
  context.fail("must be real number, not {}", type_name(value));
}

// Walks over "%…" conversions and draws their values from the operand.
class PercentFormatter {
 public:
  PercentFormatter(RenderContext& context, std::string_view format, const Value& operand)
      : context_(context), format_(format), operand_(operand) {
    const Sequence* sequence = as_sequence(operand);
    if (sequence && sequence->kind == SequenceKind::tuple) tuple_ = sequence;
  }

  std::string run() {
    while (position_ < format_.size()) {
      std::size_t percent = std::min(format_.find('%', position_), format_.size());
      out_ += format_.substr(position_, percent - position_);
      position_ = percent;
      if (position_ < format_.size()) conversion();
      context_.require_memory(static_cast<std::int64_t>(out_.size()));
    }
    bool all_used = tuple_ ? used_ == tuple_->items.size() : used_ == 1 || as_dict(operand_);
    if (!all_used) context_.fail("not all arguments converted during string formatting");
    return std::move(out_);
  }

 private:
  void conversion() {
    ++position_;
    const Value* named = key();
    FormatSpec spec = flags();
    if (position_ >= format_.size()) context_.fail("incomplete format");
    spec.type = format_[position_++];
    if (spec.type == '%') {
      out_ += '%';
      return;
    }
    const Value& value = named ? *named : next();
    context_.charge(spec.width);
    if (kIntegerTypes.find(spec.type) != std::string_view::npos) {
      out_ += format_integer(context_, spec, to_whole(context_, value, spec.type));
    } else if (kRealTypes.find(spec.type) != std::string_view::npos) {
      out_ += format_real(context_, spec, to_real(context_, value));
    } else {
      textual(spec, value);
    }
  }

  void textual(FormatSpec spec, const Value& value) {
    spec.fill = " ";
    std::string text;
    const Text* character = as_text(value);
    if (spec.type == 's') {
      append_str(context_, text, value);
    } else if (spec.type == 'r') {
      append_repr(context_, text, value);
    } else if (spec.type == 'c' && character && text_length(character->text) == 1) {
      text = character->text;
    } else if (spec.type == 'c') {
      text = format_integer(context_, FormatSpec{.type = 'c'}, to_whole(context_, value, 'c'));
    } else {
      context_.fail("unsupported format character '{}'", spec.type);
    }
    if (spec.align == '=') spec.align = '>';
    out_ += format_text(context_, spec, text);
  }

  const Value* key() {
    if (position_ >= format_.size() || format_[position_] != '(') return nullptr;
    std::size_t close = format_.find(')', position_);
    if (close == std::string_view::npos) context_.fail("incomplete format key");
    const Dict* dict = as_dict(operand_);
    if (!dict) context_.fail("format requires a mapping");
    std::string_view name = format_.substr(position_ + 1, close - position_ - 1);
    position_ = close + 1;
    const Value* value = find(context_, *dict, text_value(name));
    if (!value) context_.fail("format: no key '{}'", name);
    return value;
  }

  FormatSpec flags() {
    FormatSpec spec;
    spec.align = '>';
    for (; position_ < format_.size(); ++position_) {
      char flag = format_[position_];
      if (flag == '-') {
        spec.align = '<';
        spec.fill = " ";
      } else if (flag == '0' && spec.align != '<') {
        spec.align = '=';
        spec.fill = "0";
      } else if (flag == '+' || (flag == ' ' && spec.sign != '+')) {
        spec.sign = flag;
      } else if (flag == '#') {
        spec.alternate = true;
      } else if (flag != '0' && flag != ' ') {
        break;
      }
    }
    spec.width = read_size(context_, format_, position_);
    if (position_ < format_.size() && format_[position_] == '.') {
      ++position_;
      spec.precision = read_size(context_, format_, position_);
    }
    return spec;
  }

  const Value& next() {
    std::size_t index = used_++;
    if (tuple_ ? index >= tuple_->items.size() : index > 0) {
      context_.fail("not enough arguments for format string");
    }
    return tuple_ ? tuple_->items[index] : operand_;
  }

  RenderContext& context_;
  std::string_view format_;
  const Value& operand_;
  const Sequence* tuple_ = nullptr;
  std::size_t position_ = 0;
  std::size_t used_ = 0;
  std::string out_;
};

// Reads [[fill]align][sign][#][0][width][,][.precision][type].
FormatSpec parse_spec(RenderContext& context, std::string_view text) {
  FormatSpec spec;
  std::size_t position = 0;
  std::size_t first = 0;
  if (!text.empty()) next_code_point(text, first);
  auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (first > 0 && first < text.size() && is_align(text[first])) {
    spec.fill = text.substr(0, first);
    spec.align = text[first];
    position = first + 1;
  } else if (!text.empty() && is_align(text[0])) {
    spec.align = text[0];
    position = 1;
  }
  auto accept = [&](char c) { return position < text.size() && text[position] == c ? ++position > 0 : false; };
  if (accept('+'))
    spec.sign = '+';
  else if (accept(' '))
    spec.sign = ' ';
  else
    accept('-');
  spec.alternate = accept('#');
  if (accept('0') && !spec.align) {
    spec.align = '=';
    spec.fill = "0";
  }
  spec.width = read_size(context, text, position);
  spec.comma = accept(',');
  if (accept('.')) spec.precision = read_size(context, text, position);
  if (position < text.size()) spec.type = text[position++];
  if (position != text.size()) context.fail("invalid format specifier '{}'", text);
  return spec;
}

std::string format_value(RenderContext& context, const Value& value, std::string_view spec_text) {
  if (spec_text.empty()) return to_str(context, value);
  FormatSpec spec = parse_spec(context, spec_text);
  context.charge(spec.width);
  std::int64_t integer = 0;
  bool real_type = spec.type != 0 && (kRealTypes.find(spec.type) != std::string_view::npos || spec.type == '%');
  if (to_integer(value, integer) && !real_type && spec.type != 's') {
    bool plain_bool = std::holds_alternative<bool>(value) && spec.type == 0;
    if (plain_bool) return format_text(context, spec, to_str(context, value));
    if (spec.type == 0 || std::string_view("dxXobc").find(spec.type) != std::string_view::npos) {
      return format_integer(context, spec, integer);
    }
  } else if (std::holds_alternative<double>(value) || to_integer(value, integer)) {
    if (real_type || spec.type == 0) return format_real(context, spec, to_real(context, value));
  } else if (as_text(value) && (spec.type == 's' || spec.type == 0) && spec.align != '=') {
    return format_text(context, spec, as_text(value)->text);
  }
  context.fail("unsupported format '{}' for an object of type '{}'", spec_text, type_name(value));
}

class BraceFormatter {
 public:
  BraceFormatter(RenderContext& context, std::string_view format, const CallArguments& arguments)
      : context_(context), format_(format), arguments_(arguments) {}

  std::string run() {
    for (std::size_t position = 0; position < format_.size();) {
      char c = format_[position];
      bool doubled = position + 1 < format_.size() && format_[position + 1] == c;
      if ((c == '{' || c == '}') && doubled) {
        out_ += c;
        position += 2;
      } else if (c == '{') {
        std::size_t close = format_.find('}', position);
        if (close == std::string_view::npos) context_.fail("expected '}}' before end of string");
        field(format_.substr(position + 1, close - position - 1));
        position = close + 1;
      } else if (c == '}') {
        context_.fail("single '}}' encountered in format string");
      } else {
        out_ += c;
        ++position;
      }
    }
    return std::move(out_);
  }

 private:
  void field(std::string_view text) {
    std::size_t colon = std::min(text.find(':'), text.size());
    std::string_view name = text.substr(0, colon);
    std::string_view spec = colon < text.size() ? text.substr(colon + 1) : std::string_view();
    std::size_t mark = name.find('!');
    std::string_view conversion = mark == std::string_view::npos ? std::string_view() : name.substr(mark + 1);
    const Value& value = look_up(name.substr(0, mark));
    if (conversion == "r" || conversion == "s") {
      std::string converted;
      if (conversion == "r") append_repr(context_, converted, value);
      if (conversion == "s") append_str(context_, converted, value);
      out_ += format_value(context_, context_.text(std::move(converted)), spec);
    } else if (conversion.empty()) {
      out_ += format_value(context_, value, spec);
    } else {
      context_.fail("unsupported conversion '!{}' in a format string", conversion);
    }
    context_.require_memory(static_cast<std::int64_t>(out_.size()));
  }

  const Value& look_up(std::string_view name) {
    std::size_t index = 0;
    if (name.empty()) {
      index = next_++;
    } else if (name.find_first_not_of("0123456789") == std::string_view::npos && name.size() < 8) {
      for (char digit : name) index = index * 10 + static_cast<std::size_t>(digit - '0');
    } else {
      for (const auto& [parameter, value] : arguments_.named) {
        if (parameter == name) return value;
      }
      context_.fail("format: no argument '{}'", name);
    }
    if (index >= arguments_.positional.size()) {
      context_.fail("replacement index {} out of range for positional arguments", index);
    }
    return arguments_.positional[index];
  }

  RenderContext& context_;
  std::string_view format_;
  const CallArguments& arguments_;
  std::size_t next_ = 0;
  std::string out_;
};

}  // namespace

std::string percent_format(RenderContext& context, std::string_view format, const Value& operand) {
  return PercentFormatter(context, format, operand).run();
}

std::string brace_format(RenderContext& context, std::string_view format, const CallArguments& arguments) {
  return BraceFormatter(context, format, arguments).run();
}

}  // namespace cairn::jinja
