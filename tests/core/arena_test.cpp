// counts → blocks of zeros, aligned to a cache line, and to a huge page where they fill one.
#include "core/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace soma {
namespace {

template <class T>
void expect_zeros_at(std::int64_t count, std::uintptr_t alignment) {
  const Block<T> block(count);
  EXPECT_EQ(block.size(), count);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block.data()) % alignment, 0U) << count;
  EXPECT_TRUE(std::all_of(block.data(), block.data() + count, [](T x) { return x == T(0); })) << count;
}

TEST(Block, SmallOnesStartOnACacheLine) {
  for (const std::int64_t count : {0, 1, 17, 100000}) expect_zeros_at<float>(count, 64);
  expect_zeros_at<std::uint8_t>(3, 64);
}

TEST(Block, LargeOnesStartOnAHugePage) {
  for (const std::int64_t count : {std::int64_t{1} << 18, std::int64_t{1} << 19, (std::int64_t{1} << 20) + 1})
    expect_zeros_at<float>(count, std::uintptr_t{1} << 21);
}

TEST(Block, MovesAndIsFreedOnce) {
  Block<float> large(1 << 20), small(5), other;
  large.data()[7] = 3;
  other = std::move(large);
  EXPECT_EQ(other.data()[7], 3);
  other = std::move(small);
  EXPECT_EQ(other.size(), 5);
}

}  // namespace
}  // namespace soma
