// seed → drawn digits: pure, balanced, boxed and centred as MNIST's are.
#include <algorithm>
#include <array>
#include <set>

#include "data/scratch.h"

namespace soma {
namespace {

using testing::ElementsAre;

TEST(Digits, ImageIIsAPureFunctionOfSeedAndI) {
  const Dataset few = make_digits(30, 9), more = make_digits(120, 9);
  EXPECT_TRUE(std::equal(few.bytes.begin(), few.bytes.end(), more.bytes.begin()));
  EXPECT_TRUE(std::equal(few.labels.begin(), few.labels.end(), more.labels.begin()));
  EXPECT_NE(make_digits(30, 10).bytes, few.bytes);
  EXPECT_NE(make_digits(30, 10).labels, few.labels);
}

TEST(Digits, EveryTenHoldEachClassOnce) {
  const Dataset digits = make_digits(1000, 4);
  std::set<std::vector<std::int32_t>> orders;
  for (std::size_t i = 0; i < 1000; i += 10) {
    std::vector<std::int32_t> ten(digits.labels.begin() + static_cast<std::ptrdiff_t>(i),
                                  digits.labels.begin() + static_cast<std::ptrdiff_t>(i) + 10);
    orders.insert(ten);
    std::sort(ten.begin(), ten.end());
    EXPECT_THAT(ten, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
  }
  EXPECT_GT(orders.size(), 90U);
}

TEST(Digits, LookLikeMnist) {
  const Dataset digits = make_digits(2000, 1);
  EXPECT_THAT(digits.shape, ElementsAre(1, 28, 28));
  EXPECT_THAT(digits.class_names, ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"));
  double total = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    const std::uint8_t* pixels = digits.bytes.data() + i * 784;
    std::size_t top = 28, left = 28, bottom = 0, right = 0;
    double mass = 0, mass_x = 0, mass_y = 0;
    for (std::size_t p = 0; p < 784; ++p) {
      const double m = pixels[p];
      mass += m;
      mass_x += m * (static_cast<double>(p % 28) + 0.5);
      mass_y += m * (static_cast<double>(p / 28) + 0.5);
      if (pixels[p] < 64) continue;
      top = std::min(top, p / 28);
      bottom = std::max(bottom, p / 28);
      left = std::min(left, p % 28);
      right = std::max(right, p % 28);
    }
    total += mass / 784;
    EXPECT_NEAR(mass_x / mass, 14, 1.6) << i;
    EXPECT_NEAR(mass_y / mass, 14, 1.6) << i;
    const std::size_t side = std::max(bottom - top, right - left) + 1;
    EXPECT_GE(side, 18U) << i;
    EXPECT_LE(side, 22U) << i;
    EXPECT_EQ(pixels[0] + pixels[27] + pixels[27 * 28] + pixels[783], 0) << i;
    EXPECT_GE(*std::max_element(pixels, pixels + 784), 200) << i;
  }
  EXPECT_NEAR(total / 2000, 33.3, 12);  // the mean of MNIST's training pixels
}

TEST(Digits, NamesSplitsAndCounts) {
  DataOptions options;
  options.count = 50;
  const Result<Dataset> train = load_dataset("digits", options), same = load_dataset("digits:train", options),
                        held_out = load_dataset("digits:test", options);
  ASSERT_TRUE(train.ok() && same.ok() && held_out.ok());
  EXPECT_EQ(train->bytes, same->bytes);
  EXPECT_NE(train->bytes, held_out->bytes);
  EXPECT_EQ(train->count, 50);
  EXPECT_EQ(load_dataset("digits:test")->count, 4000);
  options.count = -1;
  EXPECT_EQ(test::message(load_dataset("digits", options)), "digits: wanted a count from 1 to 10000000, got -1");
  EXPECT_EQ(test::message(load_dataset("digits:t")), "digits: no split 't'; try digits:train or digits:test");
}

}  // namespace
}  // namespace soma
