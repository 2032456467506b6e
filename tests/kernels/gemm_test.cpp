// matrices on every target → products within k·ε·Σ|a||b|, panels exactly, and the same bits however a product is cut.
#include <gmock/gmock.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Matrices in every layout Gemm allows, with NaN wherever the contract promises not to look.
struct Problem {
  std::int64_t m, n, depth, segments = 1;
  bool transposed = false, gathered = false, bias = false, accumulate = false;
  std::vector<float> a{}, b{}, c{}, bias_values{};
  std::vector<std::int64_t> offsets{};
  std::int64_t a_row = 0, a_col = 1, b_row = kPanel, b_panel = 0, c_row = 0, c_panel = 0;

  void fill(unsigned seed) {
    const std::int64_t k = segments * depth;
    // a(i, s, k): rows of segments with a gap, or the transpose of that; offsets permute the segments when gathered.
    const std::int64_t gap = depth + 2;
    a_row = transposed ? 1 : segments * gap + 1;
    a_col = transposed ? m + 1 : 1;
    offsets.resize(static_cast<std::size_t>(segments));
    for (std::int64_t s = 0; s < segments; ++s)
      offsets[static_cast<std::size_t>(s)] = (segments - 1 - s) * (transposed ? depth * a_col : gap);
    a = uniform(transposed ? k * (m + 1) : m * a_row, -1, 1, seed);
    b_row = kPanel + 4;
    b_panel = k * b_row + 3;
    b = uniform(panels(n) * b_panel, -1, 1, seed + 1);
    c_row = kPanel + (seed % 2 ? 5 : 0);
    c_panel = m * c_row + 7;
    c = uniform(panels(n) * c_panel, -1, 1, seed + 2);
    bias_values = uniform(panels(n) * kPanel, -1, 1, seed + 3);
  }

  Gemm<float> gemm(float* out) const {
    return {m,
            n,
            depth,
            a.data(),
            a_row,
            a_col,
            gathered || segments > 1 ? offsets.data() : nullptr,
            segments,
            b.data(),
            b_panel,
            b_row,
            out,
            c_row,
            c_panel,
            bias ? bias_values.data() : nullptr,
            accumulate};
  }

  std::int64_t c_at(std::int64_t i, std::int64_t j) const { return j / kPanel * c_panel + i * c_row + j % kPanel; }
};

void check(const Kernels<float>& kernels, const Problem& p) {
  std::vector<float> start = p.c;
  if (!p.accumulate) std::fill(start.begin(), start.end(), kNan);
  Guarded<float> c(start);
  kernels.gemm(p.gemm(c.data()));
  ASSERT_TRUE(c.intact());
  Gemm<float> g = p.gemm(nullptr);
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      double wanted = p.accumulate ? p.c[static_cast<std::size_t>(p.c_at(i, j))]
                      : p.bias     ? p.bias_values[static_cast<std::size_t>(j)]
                                   : 0;
      double magnitude = std::abs(wanted);
      for (std::int64_t s = 0; s < p.segments; ++s)
        for (std::int64_t k = 0; k < p.depth; ++k) {
          const double a = g.a[i * g.a_row + (g.a_segments ? g.a_segments[s] : 0) + k * g.a_col];
          const double b = g.b[j / kPanel * g.b_panel + (s * p.depth + k) * g.b_row + j % kPanel];
          wanted += a * b;
          magnitude += std::abs(a * b);
        }
      const double bound = static_cast<double>(p.segments * p.depth + 1) * kEpsilon * magnitude;
      ASSERT_NEAR(c[p.c_at(i, j)], wanted, bound) << "(" << i << ", " << j << ") of " << p.m << " × " << p.n << " × " << p.depth;
      start[static_cast<std::size_t>(p.c_at(i, j))] = c[p.c_at(i, j)];
    }
  // Nothing but the columns j < n was touched.
  for (std::size_t i = 0; i < start.size(); ++i) ASSERT_TRUE(same(start[i], c[static_cast<std::int64_t>(i)])) << i;
}

class GemmTest : public TargetTest {};

TEST_P(GemmTest, UglySizes) {
  for (const std::int64_t m : {1, 2, 3, 5, 6, 7, 8, 9, 12, 13, 14, 15, 17, 31})
    for (const std::int64_t n : {1, 3, 8, 15, 16, 17, 31, 32, 33, 48, 65})
      for (const std::int64_t depth : {1, 2, 7, 16, 33}) {
        Problem p{m, n, depth};
        p.fill(static_cast<unsigned>(m * 100 + n));
        check(kernels, p);
        if (HasFatalFailure()) return;
      }
}

TEST_P(GemmTest, EveryOption) {
  for (const std::int64_t m : {1, 4, 7, 16, 29})
    for (const std::int64_t n : {1, 10, 16, 20, 40})
      for (const std::int64_t segments : {1, 3, 5})
        for (int options = 0; options < 16; ++options) {
          Problem p{m, n, 6, segments, (options & 1) != 0, (options & 2) != 0, (options & 4) != 0, (options & 8) != 0};
          p.fill(static_cast<unsigned>(options));
          check(kernels, p);
          if (HasFatalFailure()) return;
        }
}

TEST_P(GemmTest, NoDepthLeavesTheStart) {
  for (const bool bias : {false, true})
    for (const bool accumulate : {false, true}) {
      Problem p{5, 20, 0};
      p.bias = bias;
      p.accumulate = accumulate;
      p.fill(3);
      check(kernels, p);
    }
}

TEST_P(GemmTest, BlocksHaveTheBitsOfTheWhole) {
  for (const int options : {0, 1, 4, 8}) {
    Problem p{37, 50, 40, 2, (options & 1) != 0, true, (options & 4) != 0, (options & 8) != 0};
    p.fill(11);
    std::vector<float> whole = p.c;
    kernels.gemm(p.gemm(whole.data()));
    for (const std::int64_t rows : {1, 2, 3, 5, 6, 8, 13, 14, 24})
      for (const std::int64_t cols : {16, 32}) {
        std::vector<float> blocks = p.c;
        for (std::int64_t i = 0; i < p.m; i += rows)
          for (std::int64_t j = 0; j < p.n; j += cols) {
            Gemm<float> g = p.gemm(blocks.data());
            g.m = std::min(rows, p.m - i);
            g.n = std::min(cols, p.n - j);
            g.a += i * g.a_row;
            g.b += j / kPanel * g.b_panel;
            g.c += j / kPanel * g.c_panel + i * g.c_row;
            if (g.bias) g.bias += j;
            kernels.gemm(g);
          }
        ASSERT_EQ(bits(blocks), bits(whole)) << rows << " × " << cols << " blocks, options " << options;
      }
  }
}

TEST_P(GemmTest, DepthMayBeCutByAccumulating) {
  Problem p{9, 33, 30};
  p.fill(4);
  std::vector<float> whole = p.c, parts = p.c;
  kernels.gemm(p.gemm(whole.data()));
  for (std::int64_t k = 0; k < p.depth; k += 7) {
    Gemm<float> g = p.gemm(parts.data());
    g.depth = std::min<std::int64_t>(7, p.depth - k);
    g.a += k * g.a_col;
    g.b += k * g.b_row;
    g.accumulate = k > 0;
    kernels.gemm(g);
  }
  EXPECT_EQ(bits(parts), bits(whole));
}

TEST_P(GemmTest, DeepProducts) {
  Problem p{3, 20, 9000};
  p.bias = true;
  p.fill(5);
  check(kernels, p);
}

// Each strand is the product of every fourth k, and they are added in pairs.
TEST_P(GemmTest, StrandsAreProductsOfTheirOwn) {
  for (const std::int64_t m : {1, 2, 7, 8, 17})
    for (const std::int64_t n : {1, 8, 10, 16})
      for (const std::int64_t depth : {0, 1, 3, 4, 9, 70})
        for (const bool bias : {false, true}) {
          Problem p{m, n, depth};
          p.bias = bias;
          p.fill(8);
          Guarded<float> c(p.c);
          Gemm<float> g = p.gemm(c.data());
          g.stranded = true;
          kernels.gemm(g);
          std::vector<std::vector<float>> strands;
          for (int s = 0; s < kStrands; ++s) {
            Gemm<float> strand = p.gemm(strands.emplace_back(p.c).data());
            strand.depth = (depth - s + kStrands - 1) / kStrands;
            strand.a += s * strand.a_col;
            strand.a_col *= kStrands;
            strand.b += s * strand.b_row;
            strand.b_row *= kStrands;
            if (s > 0) strand.bias = nullptr;
            kernels.gemm(strand);
          }
          std::vector<float> wanted = p.c;
          for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t j = 0; j < n; ++j) {
              const auto at = static_cast<std::size_t>(p.c_at(i, j));
              wanted[at] = (strands[0][at] + strands[1][at]) + (strands[2][at] + strands[3][at]);
            }
          ASSERT_EQ(bits(c.values()), bits(wanted)) << m << " × " << n << " × " << depth;
          ASSERT_TRUE(c.intact());
        }
}

TEST_P(GemmTest, NanAndInfPassThrough) {
  Problem p{5, 18, 4};
  p.fill(6);
  p.a[static_cast<std::size_t>(2 * p.a_row + 1)] = kNan;
  p.a[static_cast<std::size_t>(3 * p.a_row + 2)] = std::numeric_limits<float>::infinity();
  std::vector<float> c = p.c;
  kernels.gemm(p.gemm(c.data()));
  for (std::int64_t j = 0; j < 18; ++j) {
    EXPECT_TRUE(std::isnan(c[static_cast<std::size_t>(p.c_at(2, j))]));
    EXPECT_TRUE(std::isinf(c[static_cast<std::size_t>(p.c_at(3, j))]));
    EXPECT_TRUE(std::isfinite(c[static_cast<std::size_t>(p.c_at(1, j))]));
  }
}

TEST_P(GemmTest, AnyProblem) {
  rc::check([this] {
    Problem p{*rc::gen::inRange<std::int64_t>(1, 40), *rc::gen::inRange<std::int64_t>(1, 70),
              *rc::gen::inRange<std::int64_t>(0, 40), *rc::gen::inRange<std::int64_t>(1, 5)};
    p.transposed = *rc::gen::arbitrary<bool>();
    p.bias = *rc::gen::arbitrary<bool>();
    p.accumulate = *rc::gen::arbitrary<bool>();
    p.fill(*rc::gen::inRange(0u, 1000u));
    check(kernels, p);
    RC_ASSERT(!HasFatalFailure());
  });
}

TEST_P(GemmTest, TransposedPanelsHoldTheTransposedMatrix) {
  for (const std::int64_t rows : {1, 2, 5, 15, 16, 17, 40})
    for (const std::int64_t cols : kSizes) {
      const std::int64_t x_panel = rows * kPanel + 3, y_panel = cols * kPanel + 5, n = panels(rows) * y_panel;
      const Guarded<float> x(uniform(panels(cols) * x_panel, -1, 1, 1));
      Guarded<float> y(n, 2), wanted(n, 2);
      kernels.transpose({.rows = rows, .cols = cols, .x = x.data(), .x_panel = x_panel, .y = y.data(), .y_panel = y_panel});
      for (std::int64_t i = 0; i < panels(rows) * kPanel; ++i)
        for (std::int64_t j = 0; j < cols; ++j)
          wanted[i / kPanel * y_panel + j * kPanel + i % kPanel] =
              i < rows ? x[j / kPanel * x_panel + i * kPanel + j % kPanel] : 0;
      ASSERT_EQ(bits(y.values()), bits(wanted.values())) << rows << " × " << cols;
      ASSERT_TRUE(y.intact());
    }
}

TEST_P(GemmTest, TransposedRowsLeaveAloneWhatLiesBehindThem) {
  for (const std::int64_t rows : {1, 5, 16, 17, 35})
    for (const std::int64_t cols : kSizes) {
      const std::int64_t x_row = cols + 2, y_row = rows + 3;
      const Guarded<float> x(uniform(rows * x_row - 2, -1, 1, 1));
      Guarded<float> y(cols * y_row - 3, 2), wanted(cols * y_row - 3, 2);
      kernels.transpose(
          {.rows = rows, .cols = cols, .x = x.data(), .x_row = x_row, .y = y.data(), .y_row = y_row, .fill = false});
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < cols; ++j) wanted[j * y_row + i] = x[i * x_row + j];
      ASSERT_EQ(bits(y.values()), bits(wanted.values())) << rows << " × " << cols;
      ASSERT_TRUE(y.intact());
    }
}

// Each of the sixteen sums has at most depth/16 + 1 products, and four additions follow.
TEST_P(GemmTest, DotsAreProductsWithTheTransposedMatrix) {
  for (const std::int64_t m : {1, 2, 3, 5, 6, 7, 10, 13})
    for (const std::int64_t n : {1, 3, 8, 23, 24, 25, 50})
      for (const std::int64_t depth : {1, 10, 16, 17, 40, 70}) {
        const std::int64_t a_row = depth + 3, b_panel = n * kPanel + 5, c_row = n + 2;
        const Guarded<float> a(uniform((m - 1) * a_row + depth, -1, 1, 1), 3);
        std::vector<float> weights = uniform(panels(depth) * b_panel, -1, 1, 2);
        for (std::int64_t k = 0; k < n; ++k)
          for (std::int64_t j = depth; j < panels(depth) * kPanel; ++j)
            weights[static_cast<std::size_t>(j / kPanel * b_panel + k * kPanel + j % kPanel)] = 0;
        const Guarded<float> b(weights, 1);
        Guarded<float> c((m - 1) * c_row + n, 2);
        kernels.dots({m, n, depth, a.data(), a_row, b.data(), b_panel, c.data(), c_row});
        for (std::int64_t i = 0; i < m; ++i)
          for (std::int64_t k = 0; k < n; ++k) {
            double wanted = 0, magnitude = 0;
            for (std::int64_t j = 0; j < depth; ++j) {
              const double product =
                  static_cast<double>(a[i * a_row + j]) * static_cast<double>(b[j / kPanel * b_panel + k * kPanel + j % kPanel]);
              wanted += product;
              magnitude += std::abs(product);
            }
            const double bound = static_cast<double>(depth / 16 + 6) * kEpsilon * magnitude;
            ASSERT_NEAR(c[i * c_row + k], wanted, bound) << "(" << i << ", " << k << ") of " << m << " × " << n << " × " << depth;
          }
        ASSERT_TRUE(c.intact());
      }
}

SOMA_EVERY_TARGET(GemmTest);

}  // namespace
}  // namespace soma::test
