// (seed, stream, index) → the published Philox numbers, and distributions that are what they claim to be.
#include "core/random.h"

#include <gtest/gtest.h>

namespace soma {
namespace {

// The first known-answer vector of Random123 1.14 (kat_vectors): counter 0, key 0.
TEST(Random, IsPhilox4x32With10Rounds) {
  const std::array<std::uint32_t, 4> want = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  EXPECT_EQ(philox(0, 0, 0), want);
}

TEST(Random, SeedStreamAndIndexAllMatter) {
  const std::uint32_t x = random_u32(1, 2, 3);
  EXPECT_NE(x, random_u32(2, 2, 3));
  EXPECT_NE(x, random_u32(std::uint64_t{1} + (std::uint64_t{1} << 32), 2, 3));
  EXPECT_NE(x, random_u32(1, 3, 3));
  EXPECT_NE(x, random_u32(1, 2, 4));
  EXPECT_NE(x, random_u32(1, 2, 3 + (std::uint64_t{1} << 32)));
}

TEST(Random, BelowIsUniformAndStaysBelow) {
  std::array<int, 7> seen{};
  for (std::uint64_t i = 0; i < 70000; ++i) ++seen.at(random_below(7, 9, 1, i));
  for (const int n : seen) EXPECT_NEAR(n, 10000, 400);  // four deviations of a binomial
  for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_LT(random_below(std::uint64_t{1} << 32, 9, 1, i), std::uint64_t{1} << 32);
  EXPECT_EQ(random_below(1, 9, 1, 5), 0u);
}

TEST(Random, UnitAndNormalHaveTheirMoments) {
  double unit = 0, normal = 0, square = 0;
  constexpr int kCount = 100000;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double u = random_unit(3, 1, i), z = random_normal(3, 2, i);
    ASSERT_TRUE(u >= 0 && u < 1 && std::isfinite(z));
    unit += u;
    normal += z;
    square += z * z;
  }
  EXPECT_NEAR(unit / kCount, 0.5, 0.004);
  EXPECT_NEAR(normal / kCount, 0, 0.013);
  EXPECT_NEAR(square / kCount, 1, 0.018);
}

}  // namespace
}  // namespace soma
