// numbers in half precision → the reference against exact integers, and every instruction set against the reference, bit for bit.
#include "kernels/half.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The number that 16 bits stand for.
double half(std::uint32_t bits) {
  const auto exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
  const double size = exponent == 31  ? (fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : kInfinity)
                      : exponent == 0 ? std::ldexp(fraction, -24)
                                      : std::ldexp(1024 + fraction, exponent - 25);
  return (bits >> 15 & 1) != 0 ? -size : size;
}

__extension__ using Wide = __int128;
__extension__ using Size = unsigned __int128;

/// value·2⁻⁴⁸ rounded to half precision in whole numbers: to nearest, to even in the middle. Zero is +0.
double rounded_integer(Wide value) {
  const bool negative = value < 0;
  auto size = static_cast<Size>(negative ? -value : value);
  int unit = 24;  // log₂ of what the last bit is worth, in 2⁻⁴⁸
  while (size >> unit >= 2048) ++unit;
  const auto remainder = size & ((static_cast<Size>(1) << unit) - 1);
  const auto middle = static_cast<Size>(1) << (unit - 1);
  auto kept = static_cast<std::uint64_t>(size >> unit);
  if (remainder > middle || (remainder == middle && kept % 2 == 1)) ++kept;
  double rounded = std::ldexp(static_cast<double>(kept), unit - 48);
  if (rounded >= 65536) rounded = kInfinity;
  return negative ? -rounded : rounded;
}

/// a·b + c of finite halves, rounded once.
double exact_fused(double a, double b, double c) {
  const auto integer = [](double x) { return static_cast<Wide>(std::ldexp(x, 24)); };
  return rounded_integer(integer(a) * integer(b) + integer(c) * (1 << 24));
}

/// One product and one sum before it, as a kernel does them: c + 1·… is a first product of two.
float fused_by(const HalfKernels& kernels, double a, double b, double c) {
  const float factors[2] = {1, static_cast<float>(a)};
  float columns[2 * kPanel] = {}, result = 0;
  columns[0] = static_cast<float>(c);
  columns[kPanel] = static_cast<float>(b);
  Gemm<float> g;
  g.m = g.n = 1;
  g.depth = 2;
  g.a = factors;
  g.b = columns;
  g.c = &result;
  kernels.gemm(g);
  return result;
}

TEST(Half, RoundsEveryNumberToTheNearestHalf) {
  // Every half, the middle between it and the next, and the doubles on both sides of that.
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {
    const double low = half(bits), high = bits == 0x7bff ? 65536 : half(bits + 1), middle = (low + high) / 2;
    const double above = bits == 0x7bff ? kInfinity : high;
    ASSERT_EQ(rounded_to_half(low), low);
    ASSERT_EQ(rounded_to_half(std::nextafter(middle, 0)), low) << bits;
    ASSERT_EQ(rounded_to_half(middle), bits % 2 == 0 ? low : above) << bits;
    ASSERT_EQ(rounded_to_half(std::nextafter(middle, kInfinity)), above) << bits;
    ASSERT_EQ(rounded_to_half(-middle), -rounded_to_half(middle)) << bits;
  }
  EXPECT_TRUE(std::signbit(rounded_to_half(-0.0)));
  EXPECT_EQ(rounded_to_half(-kInfinity), -kInfinity);
  EXPECT_TRUE(std::isnan(rounded_to_half(std::nan(""))));
}

class HalfTest : public testing::TestWithParam<const HalfKernels*> {
 protected:
  const HalfKernels& kernels = *GetParam();
  const HalfKernels& reference = reference_half_kernels();
};

TEST_P(HalfTest, RoundsOperandsAsTheDefinition) {
  // 1·x for every half, the middles and their neighbours among floats, both signs: what a kernel does to an operand.
  std::vector<float> values;
  for (std::uint32_t bits = 0; bits <= 0x7c00; ++bits) {
    const auto low = static_cast<float>(half(bits)), high = static_cast<float>(bits >= 0x7bff ? 65536 : half(bits + 1));
    const float middle = (low + high) / 2;
    for (const float x : {low, std::nextafter(middle, 0.0f), middle, std::nextafter(middle, 1e9f), std::nextafter(low, 0.0f)})
      values.insert(values.end(), {x, -x});
  }
  values.insert(values.end(), {1e-45f, 1e-40f, 3e38f, -3e38f, std::numeric_limits<float>::quiet_NaN()});
  const auto n = static_cast<std::int64_t>(values.size());
  std::vector<float> panel(kPanel);
  panel[0] = 1;
  std::vector<float> y(values.size());
  Gemm<float> g;
  g.m = n;
  g.n = g.depth = 1;
  g.a = values.data();
  g.a_row = 1;
  g.b = panel.data();
  g.c = y.data();
  g.c_row = 1;
  kernels.gemm(g);
  // p = half(x·1 + 0), and a sum that starts at +0 loses the sign of −0.
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_TRUE(same(y[i], 0.0f + static_cast<float>(rounded_to_half(values[i])))) << values[i];
}

TEST_P(HalfTest, RoundsAMultiplyAddOnce) {
  std::mt19937 engine(5);
  const int count = &kernels == &reference ? 30000 : 300000;
  for (int i = 0; i < count; ++i) {
    std::uint32_t a = engine() & 0xffff, b = engine() & 0xffff, c = engine() & 0xffff;
    if (i % 3 == 1)
      c = (c & 0x83ff) | (std::clamp<std::uint32_t>((a >> 10 & 31) + (b >> 10 & 31), 15, 45) - 15) << 10;  // sums that meet
    if (i % 3 == 2) {  // products that end in the middle, and a third number that tips them
      a &= 0xffe0;
      b = (b & 0xfc00) | (b & 3) << 8;
      c &= 0x8003;
    }
    const double x = half(a), y = half(b), z = half(c);
    if (!std::isfinite(x) || !std::isfinite(y) || !std::isfinite(z)) continue;
    ASSERT_EQ(fused_by(kernels, x, y, z), exact_fused(x, y, z)) << x << " * " << y << " + " << z;
  }
}

TEST_P(HalfTest, NanInfinityAndOverflowPassThrough) {
  const double nan = std::nan("");
  EXPECT_EQ(fused_by(kernels, 300, 300, 0), kInfinity);
  EXPECT_EQ(fused_by(kernels, 65504, -1, -16), -kInfinity);
  EXPECT_EQ(fused_by(kernels, 65504, 1, 15), 65504);
  EXPECT_EQ(fused_by(kernels, 1e6, 1, 0), kInfinity);  // an operand beyond the largest half
  EXPECT_EQ(fused_by(kernels, 2, kInfinity, -1), kInfinity);
  EXPECT_TRUE(std::isnan(fused_by(kernels, 0, kInfinity, 1)));
  EXPECT_TRUE(std::isnan(fused_by(kernels, 1, -kInfinity, kInfinity)));
  EXPECT_TRUE(std::isnan(fused_by(kernels, nan, 1, 1)));
  EXPECT_TRUE(std::isnan(fused_by(kernels, 1, 1, nan)));
}

/// A product in any layout, by these kernels and by the reference: the same bits, and nothing else touched.
struct Problem {
  std::int64_t m, n, depth, segments = 1;
  bool by_column = false, strided = false, bias = false, accumulate = false;

  void check(const HalfKernels& kernels, float size = 1) const {
    const std::int64_t k = segments * depth, a_col = by_column ? m + 3 : strided ? 2 : 1, a_row = by_column ? 1 : k * a_col + 5;
    std::vector<std::int64_t> offsets;
    for (std::int64_t s = 0; s < segments; ++s) offsets.push_back((segments - 1 - s) * depth * a_col);
    const Guarded<float> a(uniform(by_column ? k * a_col + m : m * a_row, -size, size, 1));
    const std::int64_t b_row = kPanel + 4, b_panel = k * b_row + 3, c_row = kPanel + 3, c_panel = m * c_row + 7;
    const std::vector<float> b = uniform(panels(n) * b_panel, -1, 1, 2), start = uniform(panels(n) * kPanel, -1, 1, 3);
    Gemm<float> g{m,        n,       depth, a.data(), a_row, a_col,   segments > 1 ? offsets.data() : nullptr, segments,
                  b.data(), b_panel, b_row, nullptr,  c_row, c_panel, bias ? start.data() : nullptr,           accumulate};
    const std::vector<float> before = uniform(panels(n) * c_panel, -1, 1, 4);
    Guarded<float> c(before), wanted(before);
    g.c = wanted.data();
    reference_half_kernels().gemm(g);
    g.c = c.data();
    kernels.gemm(g);
    ASSERT_TRUE(c.intact());
    for (std::int64_t i = 0; i < c.size(); ++i)
      ASSERT_TRUE(same(c[i], wanted[i])) << m << " x " << n << " x " << segments << "·" << depth << " at " << i;
  }
};

TEST_P(HalfTest, UglySizes) {
  for (const std::int64_t m : {1, 5, 14, 15, 28, 29, 65})
    for (const std::int64_t n : {1, 17, 32, 33, 65})
      for (const std::int64_t depth : {1, 33, 129})
        for (const bool by_column : {false, true}) {
          Problem{m, n, depth, 1, by_column}.check(kernels);
          if (HasFatalFailure()) return;
        }
}

TEST_P(HalfTest, EveryOption) {
  for (const std::int64_t segments : {1, 3, 30})
    for (int options = 0; options < 16; ++options) {
      Problem{7, 20, 5, segments, (options & 1) != 0, (options & 2) != 0, (options & 4) != 0, (options & 8) != 0}.check(kernels);
      if (HasFatalFailure()) return;
    }
}

TEST_P(HalfTest, NoDepthLeavesTheStart) {
  for (const bool bias : {false, true})
    for (const bool accumulate : {false, true}) Problem{5, 20, 0, 1, false, false, bias, accumulate}.check(kernels);
}

TEST_P(HalfTest, OverflowingSumsAgree) { Problem{20, 40, 300}.check(kernels, 3e4f); }

// Each block's sum is off by its products' rounding (2⁻¹¹ each of both factors and of every partial sum), the whole by 2⁻²⁴ a
// block.
TEST_P(HalfTest, LongSumsStayNearTheExactOnes) {
  const std::int64_t depth = 1000;
  const std::vector<float> a = uniform(depth, 0, 1, 1), b = uniform(depth * kPanel, 0, 1, 2);
  float c = 0;
  Gemm<float> g;
  g.m = g.n = 1;
  g.depth = depth;
  g.a = a.data();
  g.b = b.data();
  g.c = &c;
  kernels.gemm(g);
  double wanted = 0;
  for (std::int64_t k = 0; k < depth; ++k) {
    const auto at = static_cast<std::size_t>(k);
    wanted += static_cast<double>(a[at]) * static_cast<double>(b[at * kPanel]);
  }
  EXPECT_NEAR(c, wanted, (kHalfBlock + 2) * 0x1p-11 * wanted);
}

INSTANTIATE_TEST_SUITE_P(Every, HalfTest, testing::ValuesIn(usable_half_kernels().begin(), usable_half_kernels().end()),
                         [](const auto& parameter) {
                           std::string name = parameter.param->target;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(HalfSelect, ATargetGetsATableOfItsOwn) {
  for (const Kernels<float>* kernels : usable_kernels())
    EXPECT_TRUE(std::string_view(half_kernels_for(kernels->target).target).starts_with(kernels->target)) << kernels->target;
  EXPECT_STREQ(half_kernels_for("unheard-of").target, "reference");
  const Kernels<float> replaced = with_half_products(reference_kernels<float>());
  EXPECT_EQ(replaced.gemm, reference_half_kernels().gemm);
  EXPECT_EQ(replaced.dots, reference_kernels<float>().dots);
}

TEST(HalfSelect, NativeWhereTheProcessorHasIt) {
  if (!usable_half_kernels().front()->native)
    GTEST_SKIP() << "no AVX512-FP16 here: the native table is not compared with the reference";
  EXPECT_STREQ(usable_half_kernels().front()->target, "avx512-fp16");
}

}  // namespace
}  // namespace soma::test
