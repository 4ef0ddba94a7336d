#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "graph/print.h"

namespace cairn {
namespace {

constexpr int kBoxWidth = 300, kBoxHeight = 44, kGapX = 28, kGapY = 30, kMargin = 24;

struct Box {
  int level = 0, column = 0;
  std::string title, subtitle, colour;
  int x() const { return kMargin + column * (kBoxWidth + kGapX); }
  int y() const { return kMargin + 40 + level * (kBoxHeight + kGapY); }
};

std::string cut(const std::string& text, std::size_t length) {
  return text.size() <= length ? text : "…" + text.substr(text.size() - length + 1);
}

// Families get a colour each, so that a layer's shape is seen at a glance.
std::string colour_of(std::string_view op) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 8> table = {{{"MatMul", "#cfe2ff"},
      {"PagedAttention", "#ffd8a8"}, {"WriteKv", "#ffe8cc"}, {"RotaryEmbedding", "#e5dbff"}, {"Norm", "#d3f9d8"},
      {"SwiGlu", "#fff3bf"}, {"QuantizeActivation", "#f1f3f5"}, {"Embedding", "#c5f6fa"}}};
  for (auto [key, colour] : table)
    if (op.find(key) != std::string_view::npos) return std::string(colour);
  return "#ffffff";
}

}  // namespace

std::string to_svg(const Graph& graph, std::size_t max_nodes) {
  std::size_t count = std::min(max_nodes, graph.nodes().size());
  std::vector<Box> boxes(count);
  std::map<int, int> width_of_level;
  std::vector<std::pair<std::size_t, std::size_t>> edges;
  int levels = 0, columns = 1;
  for (std::size_t n = 0; n < count; ++n) {
    const Node& node = graph.node(static_cast<int>(n));
    Box& box = boxes[n];
    for (ValueId input : node.inputs) {
      int producer = graph.value(input).producer;
      if (producer < 0) continue;
      box.level = std::max(box.level, boxes[static_cast<std::size_t>(producer)].level + 1);
      edges.emplace_back(static_cast<std::size_t>(producer), n);
    }
    box.column = width_of_level[box.level]++;
    box.title = std::string(node.op->name);
    box.subtitle = cut(node.name, 30) + "  " + to_string(graph.value(node.outputs[0]).type);
    box.colour = colour_of(node.op->name);
    levels = std::max(levels, box.level + 1);
    columns = std::max(columns, width_of_level[box.level]);
  }
  int width = 2 * kMargin + columns * (kBoxWidth + kGapX), height = 2 * kMargin + 60 + levels * (kBoxHeight + kGapY);
  std::string svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{0}' height='{1}' viewBox='0 0 {0} {1}' font-family='sans-serif'>"
      "<rect width='100%' height='100%' fill='#fbfbfc'/><text x='{2}' y='34' font-size='18'>{3}: {4} nodes{5}</text>\n",
      width, height, kMargin, escape_html(graph.name()), graph.nodes().size(),
      count < graph.nodes().size() ? fmt::format(", the first {} drawn", count) : "");
  for (auto [from, to] : edges) {
    const Box &a = boxes[from], &b = boxes[to];
    int x1 = a.x() + kBoxWidth / 2, y1 = a.y() + kBoxHeight, x2 = b.x() + kBoxWidth / 2, y2 = b.y();
    svg += fmt::format("<path d='M{} {}C{} {},{} {},{} {}' fill='none' stroke='#868e96'/>\n", x1, y1, x1, y1 + kGapY, x2, y2 - kGapY, x2, y2);
  }
  for (const Box& box : boxes)
    svg += fmt::format(
        "<rect x='{}' y='{}' width='{}' height='{}' rx='6' fill='{}' stroke='#495057'/><text x='{}' y='{}' font-size='14'>{}</text>"
        "<text x='{}' y='{}' font-size='10' fill='#495057'>{}</text>\n",
        box.x(), box.y(), kBoxWidth, kBoxHeight, box.colour, box.x() + 10, box.y() + 18, escape_html(box.title), box.x() + 10, box.y() + 34,
        escape_html(box.subtitle));
  return svg + "</svg>\n";
}

}  // namespace cairn
