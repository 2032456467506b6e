// numbers → text → the same numbers, to the last bit, whatever the locale says of decimal points.
#include "core/number.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace soma {
namespace {

using Limits = std::numeric_limits<double>;

TEST(Number, ComesBackToTheLastBit) {
  for (const double x :
       {0.0, -0.0, 1.0, -1.5, 0.1, 1e300, -1e-300, Limits::denorm_min(), Limits::max(), Limits::infinity(), -Limits::infinity()})
    EXPECT_EQ(std::bit_cast<std::uint64_t>(from_exact(exact(x)).value()), std::bit_cast<std::uint64_t>(x)) << exact(x);
  EXPECT_TRUE(std::isnan(from_exact(exact(Limits::quiet_NaN())).value()));
}

// What checkpoints of soma 0.1.0 hold.
TEST(Number, IsWrittenAsPrintfWritesIt) {
  EXPECT_EQ(exact(0.1), "0x1.999999999999ap-4");
  EXPECT_EQ(exact(-3), "-0x1.8p+1");
  EXPECT_EQ(exact(0), "0x0p+0");
}

TEST(Number, IsTheWholeTextOrNone) {
  EXPECT_EQ(decimal_number("-2.5e1"), -25);
  EXPECT_EQ(whole_number("-7"), -7);
  for (const char* text : {"", " 1", "1 ", "1,5", "0,5", "x", "--1", "-", "1.5x"}) {
    EXPECT_EQ(decimal_number(text), std::nullopt) << text;
    EXPECT_EQ(whole_number(text), std::nullopt) << text;
    EXPECT_EQ(from_exact(text), std::nullopt) << text;
  }
  EXPECT_EQ(from_exact("0x1,8p+1"), std::nullopt);
  EXPECT_EQ(from_exact("-0x-1p+1"), std::nullopt);
  EXPECT_EQ(whole_number("9223372036854775808"), std::nullopt);
}

}  // namespace
}  // namespace soma
