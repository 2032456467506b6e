// shapes → their number of elements.
#include "soma/tensor.h"

#include <gtest/gtest.h>

#include <limits>

namespace soma {
namespace {

TEST(Tensor, ElementsOfAShape) {
  EXPECT_EQ(elements({}), 1);
  EXPECT_EQ(elements({2, 3, 4}), 24);
  EXPECT_EQ(elements({2, 0, 4}), 0);
}

TEST(Tensor, ElementsBeyondTheGreatestNumber) {
  constexpr std::int64_t kHuge = std::int64_t{1} << 62;
  EXPECT_EQ(elements({kHuge, 2}), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(elements({kHuge, kHuge, kHuge}), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(elements({kHuge, kHuge, 0}), 0);
}

}  // namespace
}  // namespace soma
