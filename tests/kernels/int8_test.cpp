// bytes on every instruction set → the reference's sums and bytes, bit for bit; and the reference against exact arithmetic.
#include "kernels/int8.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

using testing::ElementsAre;

/// A product of any shape; bytes that must have no influence are random, as everything else.
struct Problem {
  std::int64_t m, n, taps, windows = 1;
  std::vector<std::uint8_t> a;
  std::vector<std::int8_t> w;
  std::vector<std::int32_t> bias, multiplier, shift, tap, window;
  std::int64_t a_step = 0, y_row = 0;

  Problem(std::int64_t rows, std::int64_t columns, std::int64_t depth, std::int64_t pooled, unsigned seed)
      : m(rows), n(columns), taps(depth), windows(pooled) {
    std::mt19937 engine(seed);
    const auto below = [&](std::int64_t end) { return static_cast<std::int64_t>(engine() % static_cast<std::uint64_t>(end)); };
    a_step = 3 + below(9);
    y_row = n + below(5);
    for (std::int64_t k = 0; k < taps; ++k) tap.push_back(static_cast<std::int32_t>(below(200)));
    for (std::int64_t p = 0; p < windows; ++p) window.push_back(static_cast<std::int32_t>(below(50)));
    a.resize(static_cast<std::size_t>((m - 1) * a_step + 254));
    for (auto& byte : a) byte = static_cast<std::uint8_t>(seed % 3 == 0 ? 255 : below(256));
    std::vector<std::int8_t> rows_of_w(static_cast<std::size_t>(n * taps * 4));
    for (auto& byte : rows_of_w) byte = static_cast<std::int8_t>(seed % 3 == 0 ? (seed % 2 == 0 ? 127 : -127) : below(255) - 127);
    w.resize(static_cast<std::size_t>(packed_int8_size(taps, n)));
    pack_int8(rows_of_w.data(), taps, n, w.data());
    for (std::int64_t j = 0; j < int8_panels(n) * kInt8Panel; ++j) {
      bias.push_back(static_cast<std::int32_t>(below(200001) - 100000));
      multiplier.push_back(static_cast<std::int32_t>(below(std::int64_t{1} << 31)));
      shift.push_back(static_cast<std::int32_t>(31 + below(32) % (seed % 2 == 0 ? 32 : 14)));
    }
  }

  Int8Product product(std::int32_t zero) const {
    Int8Product p;
    p.m = m;
    p.n = n;
    p.taps = taps;
    p.windows = windows;
    p.a = a.data();
    p.a_step = a_step;
    p.window = window.data();
    p.tap = tap.data();
    p.w = w.data();
    p.bias = bias.data();
    p.requantization = {multiplier.data(), shift.data(), zero};
    p.y_row = y_row;
    return p;
  }

  /// Exactly as large as the contract says, at an odd address, with canaries on both sides.
  Guarded<std::uint8_t> bytes(const Int8Kernels& kernels, std::int32_t zero) const {
    Guarded<std::uint8_t> y((m - 1) * y_row + n);
    Int8Product p = product(zero);
    p.y = y.data();
    kernels.product(p);
    return y;
  }
  Guarded<std::int32_t> sums(const Int8Kernels& kernels) const {
    Guarded<std::int32_t> y((m - 1) * y_row + n);
    Int8Product p = product(0);
    p.sums = y.data();
    kernels.product(p);
    return y;
  }
};

class Int8Test : public testing::TestWithParam<const Int8Kernels*> {
 protected:
  const Int8Kernels& kernels = *GetParam();
  const Int8Kernels& reference = reference_int8_kernels();

  void check(const Problem& problem, std::int32_t zero) const {
    const auto y = problem.bytes(kernels, zero), wanted = problem.bytes(reference, zero);
    ASSERT_TRUE(y.intact());
    ASSERT_TRUE(std::ranges::equal(y.values(), wanted.values()))
        << problem.m << " x " << problem.n << " x " << problem.taps << ", windows of " << problem.windows;
    const auto sums = problem.sums(kernels), wanted_sums = problem.sums(reference);
    ASSERT_TRUE(sums.intact());
    ASSERT_TRUE(std::ranges::equal(sums.values(), wanted_sums.values()));
  }
};

TEST_P(Int8Test, ProductsOfUglySizesAreTheReferences) {
  unsigned seed = 1;
  for (const std::int64_t m : {1, 2, 3, 4, 5, 7, 11, 12, 13, 25})
    for (const std::int64_t n : {1, 3, 10, 15, 16, 17, 24, 31, 33, 47, 64, 100, 129, 256, 300})
      for (const std::int64_t taps : {1, 2, 7, 54}) {
        ++seed;
        check(Problem(m, n, taps, 1 + seed % kMostWindows, seed), static_cast<std::int32_t>(seed % 256));
      }
}

TEST_P(Int8Test, TheLargestSumsThatInt32Holds) {
  // 16 500 taps of 4 · 255 · 127 are just under 2^31.
  for (const unsigned seed : {3U, 6U}) check(Problem(2, 17, 16500, 1, seed), 3);
}

TEST_P(Int8Test, QuantizesAsOnnxDoes) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {0, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, 300, -300, kInfinity, -kInfinity, kNan, 1e30F, -0.0F};
  Guarded<std::uint8_t> y(static_cast<std::int64_t>(x.size()));
  kernels.quantize(x.data(), 1, 10, y.data(), y.size());
  EXPECT_TRUE(y.intact());
  EXPECT_THAT(y.values(), ElementsAre(10, 10, 12, 12, 10, 8, 255, 0, 255, 0, 0, 255, 10));
  for (const std::int64_t n : kSizes) {
    const auto values = uniform(n, -2, 3, static_cast<unsigned>(n));
    Guarded<std::uint8_t> fast(n), slow(n);
    kernels.quantize(values.data(), 0.0173F, 97, fast.data(), n);
    reference.quantize(values.data(), 0.0173F, 97, slow.data(), n);
    ASSERT_TRUE(fast.intact());
    EXPECT_TRUE(std::ranges::equal(fast.values(), slow.values())) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, Int8Test, testing::ValuesIn(usable_int8_kernels().begin(), usable_int8_kernels().end()),
                         [](const auto& parameter) {
                           std::string name = parameter.param->target;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Int8Reference, IsTheFormula) {
  // One row of two taps: 1·5 + 2·(−3) + 255·127 + 4·0, and 10·1 + 20·(−1) + 30·1 + 40·(−1).
  const std::vector<std::uint8_t> a = {1, 2, 255, 4, 10, 20, 30, 40};
  const std::vector<std::int8_t> w = {5, -3, 127, 0, 1, -1, 1, -1};
  std::vector<std::int8_t> packed(static_cast<std::size_t>(packed_int8_size(2, 1)));
  pack_int8(w.data(), 2, 1, packed.data());
  const std::vector<std::int32_t> tap = {0, 4}, window = {0};
  std::vector<std::int32_t> bias(16, -364), multiplier(16), shift(16, 31);
  Int8Product p = {1, 1, 2, 1, a.data(), 0, window.data(), tap.data(), packed.data(), bias.data()};
  std::int32_t sum = 0;
  p.sums = &sum;
  reference_int8_kernels().product(p);
  ASSERT_EQ(sum, 32000);
  p.sums = nullptr;
  const auto byte = [&](std::int32_t factor, std::int32_t bits, std::int32_t zero) {
    multiplier[0] = factor;
    shift[0] = bits;
    std::uint8_t y = 0;
    p.requantization = {multiplier.data(), shift.data(), zero};
    p.y = &y;
    reference_int8_kernels().product(p);
    return static_cast<int>(y);
  };
  EXPECT_EQ(byte(1 << 24, 32, 0), 125);     // 32000 / 256
  EXPECT_EQ(byte(3 << 20, 38, 0), 0);       // 0.366…
  EXPECT_EQ(byte(1 << 20, 36, 7), 7);       // 7 + 0.488…
  EXPECT_EQ(byte(0x7fffffff, 31, 0), 255);  // far above
  bias[0] -= 64000;                         // the sum is now −32000
  EXPECT_EQ(byte(1 << 24, 32, 200), 75);
  EXPECT_EQ(byte(1 << 24, 32, 100), 0);
  bias[0] += 32000 + 384;  // 384/256 = 1.5 rounds up
  EXPECT_EQ(byte(1 << 24, 32, 0), 2);
  bias[0] -= 768;  // −1.5 rounds up to −1
  EXPECT_EQ(byte(1 << 24, 32, 10), 9);
}

TEST(Int8Select, EveryTargetHasItsTableAndAvx512ItsExtension) {
  EXPECT_STREQ(usable_int8_kernels().back()->target, "reference");
  for (const Kernels<float>* table : usable_kernels())
    EXPECT_TRUE(std::string_view(int8_kernels_for(table->target).target).starts_with(table->target)) << table->target;
}

}  // namespace
}  // namespace soma::test
