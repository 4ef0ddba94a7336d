#include "model/chat_template/value.h"

namespace cairn::jinja {

namespace {

std::string_view sequence_type_name(const Sequence& sequence) {
  switch (sequence.kind) {
    case SequenceKind::list:
      return "list";
    case SequenceKind::tuple:
      return "tuple";
    case SequenceKind::range:
      return "range";
    case SequenceKind::view:
      return sequence.view_name;
    case SequenceKind::generator:
      return "generator";
  }
  return "list";
}

struct TypeName {
  std::string_view operator()(const Undefined&) const { return "Undefined"; }
  std::string_view operator()(const None&) const { return "NoneType"; }
  std::string_view operator()(bool) const { return "bool"; }
  std::string_view operator()(std::int64_t) const { return "int"; }
  std::string_view operator()(std::uint64_t) const { return "int"; }
  std::string_view operator()(double) const { return "float"; }
  std::string_view operator()(const Text&) const { return "str"; }
  std::string_view operator()(const Sequence* sequence) const { return sequence_type_name(*sequence); }
  std::string_view operator()(const Dict*) const { return "dict"; }
  std::string_view operator()(const Namespace*) const { return "Namespace"; }
  std::string_view operator()(const Loop*) const { return "LoopContext"; }
  std::string_view operator()(const Macro*) const { return "Macro"; }
  std::string_view operator()(const BoundMethod*) const { return "builtin_function_or_method"; }
  std::string_view operator()(const Function*) const { return "function"; }
};

struct Truth {
  bool operator()(const Undefined&) const { return false; }
  bool operator()(const None&) const { return false; }
  bool operator()(bool value) const { return value; }
  bool operator()(std::int64_t value) const { return value != 0; }
  bool operator()(std::uint64_t) const { return true; }
  bool operator()(double value) const { return value != 0; }
  bool operator()(const Text& value) const { return !value.text.empty(); }
  bool operator()(const Sequence* value) const {
    return value->kind == SequenceKind::generator || !value->items.empty();
  }
  bool operator()(const Dict* value) const { return !value->entries.empty(); }
  bool operator()(const void*) const { return true; }
};

}  // namespace

std::string_view type_name(const Value& value) { return std::visit(TypeName{}, value); }

bool is_true(const Value& value) { return std::visit(Truth{}, value); }

}  // namespace cairn::jinja
