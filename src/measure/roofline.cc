#include "measure/roofline.h"

#include <algorithm>
#include <map>

namespace cairn {
namespace {

double memory_seconds(const Cost& cost, const Roofs& roofs) {
  return roofs.read_bandwidth > 0 ? cost.bytes / roofs.read_bandwidth : 0;
}
double arithmetic_seconds(const Cost& cost, const Roofs& roofs) {
  const double peak = roofs.peak[static_cast<std::size_t>(cost.arithmetic)];
  return peak > 0 ? cost.operations / peak : 0;
}

}  // namespace

double RooflineRow::fraction(const Roofs& roofs) const {
  if (microseconds <= 0) return 0;
  return std::max(memory_seconds(cost, roofs), arithmetic_seconds(cost, roofs)) / (1e-6 * microseconds);
}

std::string_view RooflineRow::bound(const Roofs& roofs) const {
  return memory_seconds(cost, roofs) >= arithmetic_seconds(cost, roofs) ? "memory" : to_string(cost.arithmetic);
}

std::vector<RooflineRow> roofline_rows(std::span<const StepTime> steps) {
  std::map<std::pair<std::string, std::string>, RooflineRow> rows;
  for (const StepTime& step : steps) {
    RooflineRow& row = rows[{std::string(step.op), step.weights}];
    row.op = step.op, row.weights = step.weights;
    ++row.calls;
    row.microseconds += step.microseconds;
    row.cost.bytes += step.cost.bytes;
    row.cost.operations += step.cost.operations;
    row.cost.arithmetic = step.cost.arithmetic;
  }
  std::vector<RooflineRow> list;
  for (auto& [key, row] : rows) list.push_back(std::move(row));
  std::ranges::stable_sort(list, std::greater(), &RooflineRow::microseconds);
  return list;
}

}  // namespace cairn
