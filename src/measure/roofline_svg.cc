#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "measure/roofline.h"

namespace cairn {
namespace {

constexpr double kWidth = 900, kHeight = 560, kLeft = 70, kRight = 30, kTop = 50, kBottom = 60;
constexpr const char* kRoofColours[kArithmetics] = {"#2b7bba", "#b5591b", "#2e8b57"};

// Decades from `low` to `high` (powers of ten) along one side of the picture.
struct Axis {
  double low, high, start, end;
  double at(double value) const {
    const double share = (std::log10(value) - low) / (high - low);
    return start + std::clamp(share, 0.0, 1.0) * (end - start);
  }
};

// Powers of ten around all positive values.
Axis axis_around(std::span<const double> values, double start, double end) {
  double low = 1e30, high = -1e30;
  for (double v : values)
    if (v > 0) low = std::min(low, std::floor(std::log10(v))), high = std::max(high, std::ceil(std::log10(v)));
  if (low > high) low = 0, high = 1;
  return {low, std::max(high, low + 1), start, end};
}

std::string text_at(double x, double y, const char* anchor, std::string_view text) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, escape_html(text));
}

std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  for (double d = x.low; d <= x.high; ++d) {
    const double at = x.at(std::pow(10, d));
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}V{:.1f}\"/>\n", at, y.start, y.end);
    svg += text_at(at, y.start + 18, "middle", fmt::format("{:g}", std::pow(10, d)));
  }
  for (double d = y.low; d <= y.high; ++d) {
    const double at = y.at(std::pow(10, d));
    svg += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", x.start, at, x.end);
    svg += text_at(x.start - 8, at + 4, "end", fmt::format("{:g}", std::pow(10, d)));
  }
  return svg + text_at((x.start + x.end) / 2, kHeight - 14, "middle", "operations a byte") +
         fmt::format("<text transform=\"translate(18 {:.1f}) rotate(-90)\" text-anchor=\"middle\">GOP/s</text>\n",
                     (y.start + y.end) / 2);
}

// The bandwidth's slope up to where it meets the peak, then flat.
std::string roof(const Axis& x, const Axis& y, double bandwidth, double peak, Arithmetic arithmetic) {
  const double ridge = peak / bandwidth, left = std::pow(10, x.low), right = std::pow(10, x.high);
  const char* colour = kRoofColours[static_cast<int>(arithmetic)];
  return fmt::format("<path class=\"roof\" stroke=\"{}\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}H{:.1f}\"/>\n", colour,
                     x.at(std::max(left, std::pow(10, y.low) / bandwidth)),
                     y.at(std::max(left * bandwidth, std::pow(10, y.low))), x.at(ridge), y.at(peak), x.at(right)) +
         text_at(x.end, y.at(peak) - 5, "end", fmt::format("{} peak {:.0f} GOP/s", to_string(arithmetic), peak));
}

}  // namespace

std::string roofline_svg(const std::string& title, std::span<const RooflineRow> rows, const Roofs& roofs) {
  const double bandwidth = roofs.read_bandwidth / 1e9;
  std::vector<double> intensities, rates;
  for (int i = 0; i < kArithmetics; ++i) {
    const double peak = roofs.peak[static_cast<std::size_t>(i)] / 1e9;
    rates.push_back(peak);
    if (bandwidth > 0) intensities.push_back(peak / bandwidth);
  }
  for (const RooflineRow& row : rows) {
    if (row.cost.operations <= 0 || row.microseconds <= 0) continue;
    intensities.push_back(row.cost.operations / row.cost.bytes);
    rates.push_back(row.cost.operations / row.microseconds / 1e3);
  }
  const Axis x = axis_around(intensities, kLeft, kWidth - kRight), y = axis_around(rates, kHeight - kBottom, kTop);
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\">\n"
      "<style>text{{font:12px sans-serif;fill:#222}}.title{{font-size:15px;font-weight:bold}}.grid{{stroke:#ddd}}"
      ".roof{{fill:none;stroke-width:2}}circle{{fill-opacity:.75}}</style>\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#fff\"/>\n<text class=\"title\" x=\"{2}\" y=\"28\">{3}</text>\n",
      kWidth, kHeight, kLeft, escape_html(title));
  svg += grid(x, y);
  if (bandwidth > 0) {
    for (int i = 0; i < kArithmetics; ++i)
      if (const double peak = roofs.peak[static_cast<std::size_t>(i)] / 1e9; peak > 0)
        svg += roof(x, y, bandwidth, peak, static_cast<Arithmetic>(i));
  }
  double total = 0;
  for (const RooflineRow& row : rows) total += row.microseconds;
  for (const RooflineRow& row : rows) {
    if (row.cost.operations <= 0 || row.microseconds <= 0) continue;
    const double cx = x.at(row.cost.operations / row.cost.bytes),
                 cy = y.at(row.cost.operations / row.microseconds / 1e3);
    // The area of a point is its share of the time.
    const std::string label = row.op + (row.weights.empty() ? "" : " " + row.weights);
    svg += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\"><title>{}: {:.0f} us, {:.0f} % of "
        "the limit</title></circle>\n",
        cx, cy, 3 + 14 * std::sqrt(row.microseconds / total), kRoofColours[static_cast<int>(row.cost.arithmetic)],
        escape_html(label), row.microseconds, 100 * row.fraction(roofs));
    if (row.microseconds > 0.03 * total) {
      const bool right = cx > kWidth / 2;
      svg += text_at(right ? cx - 18 : cx + 18, cy + 4, right ? "end" : "start",
                     fmt::format("{} ({:.0f} %)", label, 100 * row.fraction(roofs)));
    }
  }
  return svg + "</svg>\n";
}

}  // namespace cairn
