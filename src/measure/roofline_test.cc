#include "measure/roofline.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

const Roofs kRoofs = {100e9, {1e12, 2e12, 4e12}};

std::vector<StepTime> steps() {
  return {{"layer0.down", "MatMul", "q8_0[4, 8]", 10, {500e3, 1e3, Arithmetic::int8}},
          {"layer0.norm", "RmsNorm", "", 2, {1e3, 0, Arithmetic::f32}},
          {"layer1.down", "MatMul", "q8_0[4, 8]", 30, {1500e3, 3e3, Arithmetic::int8}},
          {"head", "MatMul", "bf16[9, 8]", 100, {1e3, 100e6, Arithmetic::bf16}}};
}

TEST(Roofline, GroupsStepsAndSaysWhatBoundsThem) {
  const std::vector<RooflineRow> rows = roofline_rows(steps());
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].weights, "bf16[9, 8]");
  EXPECT_EQ(rows[0].bound(kRoofs), "bf16");
  EXPECT_DOUBLE_EQ(rows[0].fraction(kRoofs), 0.5);  // 100e6 / 2e12 = 50 us of 100
  EXPECT_EQ(rows[1].calls, 2);
  EXPECT_DOUBLE_EQ(rows[1].microseconds, 40);
  EXPECT_EQ(rows[1].bound(kRoofs), "memory");
  EXPECT_DOUBLE_EQ(rows[1].fraction(kRoofs), 0.5);  // 2e6 bytes / 100e9 = 20 us of 40
  EXPECT_EQ(rows[2].op, "RmsNorm");
}

TEST(Roofline, ThePictureIsWholeAndLeavesNothingUnescaped) {
  std::vector<StepTime> all = steps();
  all[0].weights = "<b>&";
  const std::string svg = roofline_svg("a < b", roofline_rows(all), kRoofs);
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_EQ(svg.find("<b>"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  std::size_t circles = 0;
  for (std::size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++circles;
  EXPECT_EQ(circles, 3u);  // every matrix product, and not the norm
}

TEST(Roofline, NothingMeasuredIsStillAPicture) {
  EXPECT_EQ(roofline_svg("empty", {}, {}).find("nan"), std::string::npos);
  EXPECT_EQ(roofline_svg("empty", {}, {}).find("inf"), std::string::npos);
}

}  // namespace
}  // namespace cairn
