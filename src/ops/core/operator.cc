#include "ops/core/operator.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace cairn {

Range share(std::int64_t total, Worker worker, std::int64_t grain) {
  std::int64_t units = (total + grain - 1) / grain;
  auto cut = [&](std::int64_t i) { return std::min(total, units * i / worker.count * grain); };
  return {cut(worker.index), cut(worker.index + 1)};
}

const Operator& OperatorRegistry::find(std::string_view name) const {
  std::vector<std::string> names;
  for (const Operator* op : operators_) {
    if (op->name == name) return *op;
    names.emplace_back(op->name);
  }
  std::string nearest = nearest_name(name, names);
  fail(ErrorKind::not_found, "no operator named '{}'{}", name, nearest.empty() ? "" : "; did you mean " + nearest + "?");
}

void expect_inputs(std::string_view op, const InferContext& context, std::size_t least, std::size_t most) {
  if (context.inputs.size() < least || context.inputs.size() > most)
    fail_invalid("{} takes {}{} inputs, not {}", op, least, most > least ? " or more" : "", context.inputs.size());
}

void expect_rank(std::string_view op, const InferContext& context, std::size_t input, std::size_t rank) {
  if (context.inputs[input].shape.size() != rank)
    fail_invalid("{}: input {} is {}, expected rank {}", op, input, to_string(context.inputs[input]), rank);
}

void expect_dtype(std::string_view op, const InferContext& context, std::size_t input, std::initializer_list<DType> accepted) {
  if (std::find(accepted.begin(), accepted.end(), context.inputs[input].dtype) != accepted.end()) return;
  std::string list;
  for (DType dtype : accepted) list += (list.empty() ? "" : ", ") + std::string(name(dtype));
  fail_invalid("{}: input {} is {}; accepted: {}", op, input, name(context.inputs[input].dtype), list);
}

void expect_same_dim(std::string_view op, const Dim& a, const Dim& b, std::string_view what) {
  if (a == b) return;
  auto text = [](const Dim& dim) { return dim.is_symbol() ? fmt::format("symbol {}", dim.symbol) : std::to_string(dim.value); };
  fail_invalid("{}: {} differ: {} and {}", op, what, text(a), text(b));
}

std::string to_string(const ValueType& type) {
  std::string dims;
  for (const Dim& dim : type.shape)
    dims += fmt::format("{}{}{}", dims.empty() ? "" : ", ", dim.is_symbol() ? "$" : "", dim.is_symbol() ? dim.symbol : dim.value);
  return fmt::format("{}[{}]{}", name(type.dtype), dims, type.layout == Layout::panel16 ? ":panel16" : "");
}

}  // namespace cairn
