// Where the time of a plan goes, and how near each part comes to the limit that bounds it (Williams, Waterman and
// Patterson, "Roofline: an insightful visual performance model", 2009).
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "graph/plan.h"

namespace cairn {

/// What the figures are fractions of, with the team that ran the plan; bytes/s and operations/s.
struct Roofs {
  double read_bandwidth = 0;
  std::array<double, kArithmetics> peak = {};  // in the order of Arithmetic
};

/// All steps with the same operator and weights.
struct RooflineRow {
  std::string op, weights;
  int calls = 0;
  double microseconds = 0;
  Cost cost;  // sums over the calls

  /// The least time that the roofs allow, a share of the time that it took. Above 1 for what finds its data in a cache.
  double fraction(const Roofs& roofs) const;
  /// "memory", or the arithmetic whose peak bounds it.
  std::string_view bound(const Roofs& roofs) const;
};

/// Rows of a profiled run (or of several, one after the other), the longest first.
std::vector<RooflineRow> roofline_rows(std::span<const StepTime> steps);

/// A picture with both axes logarithmic: operations per byte against operations/s, the roofs as lines, a point for each
/// row that has operations. A whole SVG document.
std::string roofline_svg(const std::string& title, std::span<const RooflineRow> rows, const Roofs& roofs);

}  // namespace cairn
