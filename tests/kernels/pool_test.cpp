// images on every target → the reference's pooled images, winners and gradients, bit for bit.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

PoolShape shape(std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t size_h, std::int64_t size_w, std::int64_t stride_h,
                std::int64_t stride_w, std::int64_t padding_h = 0, std::int64_t padding_w = 0) {
  return {h,
          w,
          c,
          (h + 2 * padding_h - size_h) / stride_h + 1,
          (w + 2 * padding_w - size_w) / stride_w + 1,
          size_h,
          size_w,
          stride_h,
          stride_w,
          padding_h,
          padding_w};
}

std::vector<PoolShape> shapes() {
  std::vector<PoolShape> all;
  for (const std::int64_t c : {1, 2, 3, 4, 6, 7, 8, 15, 16, 17, 20, 31, 33, 64}) {
    all.push_back(shape(8, 6, c, 2, 2, 2, 2));        // the usual one: every input under one window
    all.push_back(shape(9, 7, c, 2, 2, 2, 2));        // a border under none
    all.push_back(shape(7, 9, c, 3, 3, 2, 2, 1, 1));  // overlapping, padded
    all.push_back(shape(5, 6, c, 2, 3, 1, 1, 1, 0));
    all.push_back(shape(9, 9, c, 2, 3, 4, 5));  // gaps between windows
    all.push_back(shape(6, 7, c, 3, 2, 3, 2, 1, 1));
    all.push_back(shape(4, 5, c, 4, 5, 1, 1));  // the whole image
  }
  return all;
}

class PoolTest : public TargetTest {
 protected:
  // Values with many equal ones, so that ties decide winners.
  static std::vector<float> image(const PoolShape& s, unsigned seed) {
    std::vector<float> x = uniform(s.h * s.w * s.c, -3, 3, seed);
    for (float& v : x) v = std::round(v);
    return x;
  }
};

TEST_P(PoolTest, MaximaAndWinnersAreTheReferences) {
  for (const PoolShape& s : shapes()) {
    const std::int64_t n = s.out_h * s.out_w * s.c;
    const Guarded<float> x(image(s, 1)), dy(uniform(n, -1, 1, 2), 3);
    Guarded<float> y(n), wanted(n), dx(x.size(), 2), wanted_dx(x.size()), alone(n, 2);
    Guarded<std::uint16_t> winner(n, 3), wanted_winner(n);
    kernels.max_pool(s, x.data(), y.data(), winner.data());
    kernels.max_pool(s, x.data(), alone.data(), nullptr);
    reference.max_pool(s, x.data(), wanted.data(), wanted_winner.data());
    ASSERT_EQ(bits(y.values()), bits(wanted.values()))
        << s.h << "×" << s.w << "×" << s.c << ", window " << s.size_h << "×" << s.size_w;
    ASSERT_EQ(bits(alone.values()), bits(wanted.values()));
    ASSERT_THAT(winner.values(), testing::ElementsAreArray(wanted_winner.values()));
    kernels.max_pool_backward(s, dy.data(), winner.data(), dx.data());
    reference.max_pool_backward(s, dy.data(), winner.data(), wanted_dx.data());
    ASSERT_EQ(bits(dx.values()), bits(wanted_dx.values())) << s.h << "×" << s.w << "×" << s.c;
    ASSERT_TRUE(y.intact() && winner.intact() && dx.intact() && alone.intact());
  }
}

// Its own product and its own pooling, one after the other, bit for bit; and nothing but the columns j < n is touched.
TEST_P(PoolTest, APooledProductIsTheProductPooled) {
  for (const std::int64_t windows : {1, 2, 3, 5, 7, 14})
    for (const std::int64_t n : {1, 7, 8, 9, 16, 20, 24, 32, 40, 57, 70})
      for (const std::int64_t segments : {1, 3}) {
        const std::int64_t depth = 4, a_row = 5, a_line = 2 * windows * a_row + 3, c_row = n + 3;
        const std::vector<std::int64_t> offsets = {2, 0, 1};
        std::vector<float> a = uniform(2 * a_line + 8, -2, 2, 1), b = uniform(panels(n) * kPanel * segments * depth, -2, 2, 2);
        for (float& x : a) x = std::round(x);  // ties decide winners
        for (float& x : b) x = std::round(x);
        if (windows == 5) a[static_cast<std::size_t>(a_line + a_row + 1)] = kNan;
        const std::vector<float> bias = uniform(panels(n) * kPanel, -1, 1, 3);
        Gemm<float> g;
        g.m = 2 * windows;
        g.n = n;
        g.depth = depth;
        g.a_row = a_row;
        g.a_segments = offsets.data();
        g.segments = segments;
        g.b = b.data();
        g.b_panel = kPanel * segments * depth;
        g.bias = bias.data();
        g.c_row = n;
        std::vector<float> lines(static_cast<std::size_t>(4 * windows * n));
        for (int line = 0; line < 2; ++line) {
          g.a = a.data() + line * a_line;
          g.c = lines.data() + line * g.m * n;
          g.c_panel = kPanel;
          kernels.gemm(g);
        }
        const PoolShape two = shape(2, 2 * windows, n, 2, 2, 2, 2);
        std::vector<float> wanted(static_cast<std::size_t>(windows * n));
        std::vector<std::uint16_t> places(wanted.size());
        kernels.max_pool(two, lines.data(), wanted.data(), places.data());

        Guarded<float> y(windows * c_row - 3, 3), alone(windows * c_row - 3);
        Guarded<std::uint16_t> winner(windows * c_row - 3, 2);
        std::fill_n(y.data(), y.size(), 77.0F);
        std::fill_n(winner.data(), winner.size(), std::uint16_t{77});
        g.m = windows;
        g.a = a.data();
        g.c = y.data();
        g.c_row = c_row;
        kernels.pooled_gemm({g, a_line, winner.data()});
        g.c = alone.data();
        kernels.pooled_gemm({g, a_line, nullptr});
        ASSERT_TRUE(y.intact() && alone.intact() && winner.intact());
        for (std::int64_t w = 0; w < windows; ++w)
          for (std::int64_t j = 0; j < c_row && w * c_row + j < y.size(); ++j) {
            const auto at = static_cast<std::size_t>(w * n + j);
            ASSERT_TRUE(same(y[w * c_row + j], j < n ? wanted[at] : 77.0F))
                << windows << " windows, " << n << ": " << w << ", " << j;
            ASSERT_EQ(winner[w * c_row + j], j < n ? places[at] : 77) << windows << " windows, " << n << ": " << w << ", " << j;
            ASSERT_TRUE(j >= n || same(alone[w * c_row + j], wanted[at]));
          }
      }
}

TEST_P(PoolTest, PatchesAreTheReferences) {
  for (const std::int64_t depth : {1, 3, 5, 8, 15, 16, 17, 40})
    for (const std::int64_t count : {1, 2, 7}) {
      const std::int64_t runs[] = {4, 0, 50}, row = 3 * depth + 5;
      const Guarded<float> x(uniform(50 + 2 * 7 + depth, -1, 1, 4), 3);
      Guarded<float> rows(count * row, 2), wanted(count * row);
      kernels.gather_patches({x.data(), 2, runs, 3, depth, rows.data(), row, count});
      reference.gather_patches({x.data(), 2, runs, 3, depth, wanted.data(), row, count});
      ASSERT_EQ(bits(rows.values()), bits(wanted.values())) << depth;
      ASSERT_TRUE(rows.intact());
    }
}

// Σ |dy·patch| times the roundings of a sum bounds both sides.
TEST_P(PoolTest, WinnersGradientIsTheReferences) {
  for (const std::int64_t channels : {1, 2, 7, 8, 9, 24})
    for (const std::int64_t panels : {1, 2, 3, 7, 8, 15, 30})
      for (const std::int64_t windows : {1, 5}) {
        const std::int64_t taps = panels * kPanel, row = channels + 3, positions[] = {0, taps, 3 * taps};
        const Guarded<float> dy(uniform(windows * row, -1, 1, 5), 3), patches(uniform((2 * windows + 4) * taps, -1, 1, 6), 1);
        Guarded<std::uint16_t> winner(windows * row, 1);
        for (std::int64_t i = 0; i < winner.size(); ++i) winner[i] = static_cast<std::uint16_t>(i * 7 % 3);
        const std::vector<float> start = uniform(panels * channels * kPanel, -1, 1, 7);
        Guarded<float> dw(start, 2), wanted(start);
        const auto problem = [&](float* to) {
          return WinnerGradient<float>{windows,        channels, taps,      dy.data(), winner.data(),    row,
                                       patches.data(), 2 * taps, positions, to,        channels * kPanel};
        };
        kernels.winner_gradient(problem(dw.data()));
        reference.winner_gradient(problem(wanted.data()));
        for (std::int64_t i = 0; i < dw.size(); ++i)
          ASSERT_NEAR(dw[i], wanted[i], 2 * static_cast<double>(windows + 1) * kEpsilon * static_cast<double>(windows + 1))
              << channels << " channels, " << taps << " taps, " << i;
        ASSERT_TRUE(dw.intact());
      }
}

TEST_P(PoolTest, AveragesAreTheReferences) {
  for (const PoolShape& s : shapes()) {
    const std::int64_t n = s.out_h * s.out_w * s.c;
    const Guarded<float> x(uniform(s.h * s.w * s.c, -3, 3, 1)), dy(uniform(n, -1, 1, 2), 3);
    Guarded<float> y(n), wanted(n), dx(x.size(), 2), wanted_dx(x.size());
    kernels.average_pool(s, x.data(), y.data());
    reference.average_pool(s, x.data(), wanted.data());
    ASSERT_EQ(bits(y.values()), bits(wanted.values())) << s.h << "×" << s.w << "×" << s.c;
    kernels.average_pool_backward(s, dy.data(), dx.data());
    reference.average_pool_backward(s, dy.data(), wanted_dx.data());
    ASSERT_EQ(bits(dx.values()), bits(wanted_dx.values())) << s.h << "×" << s.w << "×" << s.c;
    ASSERT_TRUE(y.intact() && dx.intact());
  }
}

TEST_P(PoolTest, AnOverflowingMaximumHasAPlace) {
  const PoolShape s = shape(2, 2, 5, 2, 2, 2, 2);
  // Channels: a NaN among infinities, two NaNs, nothing but −∞, −0 against 0, and the later of two infinities of either sign.
  const std::vector<float> x = {kInf, 1,    -kInf, -0.0f, -kInf,  //
                                kNan, kNan, -kInf, 0.0f,  2,      //
                                kInf, 3,    -kInf, -0.0f, kInf,   //
                                0,    kNan, -kInf, 0.0f,  kInf};
  Guarded<float> y(5), dx(20);
  Guarded<std::uint16_t> winner(5);
  kernels.max_pool(s, x.data(), y.data(), winner.data());
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_EQ(y[2], -kInf);
  EXPECT_TRUE(same(y[3], -0.0f));
  EXPECT_EQ(y[4], kInf);
  EXPECT_THAT(winner.values(), testing::ElementsAre(1, 1, 0, 0, 2));
  const std::vector<float> dy = {1, 2, 3, 4, kNan};
  kernels.max_pool_backward(s, dy.data(), winner.data(), dx.data());
  EXPECT_EQ(dx[5], 1);
  EXPECT_EQ(dx[6], 2);
  EXPECT_EQ(dx[2], 3);
  EXPECT_TRUE(std::isnan(dx[14]));
  EXPECT_FALSE(std::isnan(dx[4]) || std::isnan(dx[9]) || std::isnan(dx[19]));
}

TEST_P(PoolTest, PaddingNeverWins) {
  const PoolShape s = shape(2, 2, 3, 3, 3, 1, 1, 1, 1);
  const std::vector<float> x(12, -5.0f);
  Guarded<float> y(12);
  Guarded<std::uint16_t> winner(12);
  kernels.max_pool(s, x.data(), y.data(), winner.data());
  EXPECT_THAT(y.values(), testing::Each(-5.0f));
  EXPECT_THAT(winner.values(), testing::ElementsAre(4, 4, 4, 3, 3, 3, 1, 1, 1, 0, 0, 0));
}

TEST_P(PoolTest, AveragesDivideByTheWholeWindow) {
  const PoolShape s = shape(2, 2, 1, 2, 2, 1, 1, 1, 1);
  const std::vector<float> x = {4, 8, 12, 16};
  Guarded<float> y(9);
  kernels.average_pool(s, x.data(), y.data());
  EXPECT_THAT(y.values(), testing::ElementsAre(1, 3, 2, 4, 10, 6, 3, 7, 4));
}

// The largest window that winners can name, its maximum in the last place.
TEST_P(PoolTest, WinnersReachThe65536thPlace) {
  const PoolShape s = shape(256, 256, 1, 256, 256, 1, 1);
  std::vector<float> x(65536, 0.0f);
  x.back() = 1;
  Guarded<float> y(1), dx(65536);
  Guarded<std::uint16_t> winner(1);
  const float dy = 2;
  kernels.max_pool(s, x.data(), y.data(), winner.data());
  EXPECT_EQ(winner[0], 65535);
  kernels.max_pool_backward(s, &dy, winner.data(), dx.data());
  EXPECT_EQ(dx[65535], 2);
  EXPECT_EQ(dx[0], 0);
}

SOMA_EVERY_TARGET(PoolTest);

}  // namespace
}  // namespace soma::test
