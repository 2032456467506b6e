// values of every kind → axes that always span something, with ticks a person would have chosen.
#include "report/axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

namespace soma::report {
namespace {

using testing::ElementsAre;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> all;
  for (const Tick& tick : axis.ticks()) all.push_back(tick.label);
  return all;
}

std::vector<std::string> labels(const std::vector<double>& values, const AxisNeeds& needs = {}) {
  return labels(Axis(values, needs));
}

TEST(Axis, TicksArePlainNumbersWithAsManyDigitsAsTheyNeed) {
  EXPECT_THAT(labels({0.02, 0.19}), ElementsAre("0.00", "0.05", "0.10", "0.15", "0.20"));
  EXPECT_THAT(labels({94.4, 99.5}), ElementsAre("94", "96", "98", "100"));
  EXPECT_THAT(labels({0, 0.01}), ElementsAre("0.000", "0.002", "0.004", "0.006", "0.008", "0.010"));
  EXPECT_THAT(labels({-3, 4}), ElementsAre("−4", "−2", "0", "2", "4"));
  EXPECT_THAT(labels({0, 12e6}), ElementsAre("0", "2.5\u202fM", "5\u202fM", "7.5\u202fM", "1e7", "1.25e7"));
}

TEST(Axis, WholeNumbersGetWholeTicks) {
  EXPECT_THAT(labels({1, 2, 3}, {.whole = true, .tight = true, .ticks = 6}), ElementsAre("1", "2", "3"));
  EXPECT_THAT(labels({1, 300}, {.whole = true, .tight = true, .ticks = 6}), ElementsAre("50", "100", "150", "200", "250", "300"));
  EXPECT_THAT(labels({1}, {.whole = true, .tight = true, .ticks = 6}), ElementsAre("1", "2"));
}

TEST(Axis, BarsBeginAtZero) {
  const Axis axis(std::vector<double>{40, 90}, {.from_zero = true});
  EXPECT_EQ(axis.place(0), 0);
  EXPECT_EQ(axis.place(50), 0.5);
}

TEST(Axis, LogarithmsNameFewValuesThemselvesAndManyByPowersOfTen) {
  EXPECT_THAT(labels({1, 2, 4, 8, 16}, {.log = true, .tight = true}), ElementsAre("1", "2", "4", "8", "16"));
  EXPECT_THAT(labels({0.5, 700}, {.log = true}), ElementsAre("0.1", "1", "10", "100", "1000"));
  const Axis axis(std::vector<double>{1, 100}, {.log = true});
  EXPECT_DOUBLE_EQ(axis.place(10), 0.5);
  EXPECT_TRUE(std::isnan(axis.place(0))) << "there is no place for it";
  EXPECT_TRUE(std::isnan(axis.place(-1)));
}

TEST(Axis, NothingOneValueAndStrangeValuesStillMakeAnAxis) {
  for (const std::vector<double>& values :
       {std::vector<double>{}, {0}, {5}, {-5}, {5, 5, 5}, {kNaN}, {kInfinity, -kInfinity}, {1e-300}, {1e300}, {3, kNaN, 4}})
    for (const bool log : {false, true})
      for (const bool tight : {false, true}) {
        const Axis axis(values, {.log = log, .tight = tight});
        EXPECT_GE(axis.ticks().size(), 1U) << testing::PrintToString(values);
        for (const Tick& tick : axis.ticks()) {
          EXPECT_GE(tick.at, -1e-9);
          EXPECT_LE(tick.at, 1 + 1e-9);
        }
      }
  EXPECT_TRUE(std::isnan(Axis({}, {}).place(kNaN)));
}

RC_GTEST_PROP(Axis, EveryValueHasAPlaceAndTicksRiseApart, (const std::vector<std::int32_t>& numbers, bool log, bool whole)) {
  RC_PRE(!numbers.empty());
  std::vector<double> values;
  for (const std::int32_t n : numbers) values.push_back(whole ? n : n * 1e-5);
  const Axis axis(values, {.log = log, .whole = whole});
  for (const double x : values)
    if (!log || x > 0) RC_ASSERT(axis.place(x) >= 0 && axis.place(x) <= 1);
  RC_ASSERT(axis.ticks().size() <= 12U);
  for (std::size_t i = 1; i < axis.ticks().size(); ++i) {
    RC_ASSERT(axis.ticks()[i].at > axis.ticks()[i - 1].at + 0.03);
    RC_ASSERT(axis.ticks()[i].label != axis.ticks()[i - 1].label);
  }
}

}  // namespace
}  // namespace soma::report
