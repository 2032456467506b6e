// rows of logits on every target → softmax, its logarithm and both gradients within bounds derived from the row length.
#include <cmath>
#include <limits>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();

class SoftmaxTest : public TargetTest {};

TEST_P(SoftmaxTest, AgreesWithTheDoubleReference) {
  for (const std::int64_t cols : kSizes)
    for (const bool log : {false, true})
      for (const double reach : {1.0, 30.0, 1000.0}) {
        const std::int64_t rows = 3, n = rows * cols;
        const Guarded<float> x(uniform(n, -reach, reach, 1)), dy(uniform(n, -1, 1, 2), 2);
        Guarded<float> y(n, 3), dx(n, 2), in_place(x.values(), 3), gradient(dy.values(), 2);
        kernels.softmax(log, x.data(), y.data(), rows, cols);
        kernels.softmax_backward(log, y.data(), dy.data(), dx.data(), rows, cols);
        kernels.softmax(log, in_place.data(), in_place.data(), rows, cols);
        kernels.softmax_backward(log, y.data(), gradient.data(), gradient.data(), rows, cols);
        ASSERT_TRUE(y.intact() && dx.intact());
        ASSERT_EQ(bits(y.values()), bits(in_place.values()));
        ASSERT_EQ(bits(dx.values()), bits(gradient.values()));
        const std::vector<double> xd = doubles(x.values()), yd = doubles(y.values()), dyd = doubles(dy.values());
        std::vector<double> y_exact(xd.size()), dx_exact(xd.size());
        exact.softmax(log, xd.data(), y_exact.data(), rows, cols);
        exact.softmax_backward(log, yd.data(), dyd.data(), dx_exact.data(), rows, cols);
        // Σ costs cols roundings relative; x − max costs one of up to 2·reach, which e^ turns into a relative error.
        const double count = static_cast<double>(cols), relative = (count + 8 + 2 * reach) * kEpsilon;
        for (std::int64_t i = 0; i < n; ++i) {
          const auto k = static_cast<std::size_t>(i);
          const double bound = log ? (count + 8 + 4 * reach) * kEpsilon : relative * y_exact[k] + 0x1p-140;
          ASSERT_NEAR(y[i], y_exact[k], bound) << i << " of " << cols << (log ? " log" : "");
          ASSERT_NEAR(dx[i], dx_exact[k], (2 * count + 8) * kEpsilon * (log ? count : 1)) << i << " of " << cols;
        }
      }
}

TEST_P(SoftmaxTest, RowsDoNotMixAndAreTheSameAnywhere) {
  for (const std::int64_t cols : {1, 5, 10, 16, 21}) {
    const std::vector<float> x = uniform(7 * cols, -4, 4, 9);
    std::vector<float> together(x.size()), apart(x.size());
    for (const bool log : {false, true}) {
      kernels.softmax(log, x.data(), together.data(), 7, cols);
      for (std::int64_t i = 0; i < 7; ++i) kernels.softmax(log, x.data() + i * cols, apart.data() + i * cols, 1, cols);
      EXPECT_EQ(bits(together), bits(apart)) << cols;
    }
  }
}

TEST_P(SoftmaxTest, HugeLogitsDoNotOverflow) {
  const std::vector<float> x = {3e38f, -3e38f, 3e38f, 0.0f, -kInf};
  Guarded<float> y(5);
  kernels.softmax(false, x.data(), y.data(), 1, 5);
  EXPECT_EQ(std::vector<float>(y.values().begin(), y.values().end()), (std::vector<float>{0.5f, 0, 0.5f, 0, 0}));
  kernels.softmax(true, x.data(), y.data(), 1, 5);
  EXPECT_NEAR(y[0], -std::log(2.0), 1e-7);
  EXPECT_EQ(y[4], -kInf);
}

TEST_P(SoftmaxTest, ARowWithoutAnAnswerIsNan) {
  for (const std::int64_t cols : {2, 10, 16, 37})
    for (const bool log : {false, true})
      for (const float bad : {kNan, kInf})
        for (std::int64_t at = 0; at < cols; ++at) {
          std::vector<float> x(static_cast<std::size_t>(3 * cols), 0.5f);
          x[static_cast<std::size_t>(cols + at)] = bad;
          Guarded<float> y(3 * cols);
          kernels.softmax(log, x.data(), y.data(), 3, cols);
          for (std::int64_t j = 0; j < cols; ++j) {
            ASSERT_FALSE(std::isnan(y[j]) || std::isnan(y[2 * cols + j]));
            ASSERT_TRUE(std::isnan(y[cols + j])) << j << " of " << cols;
          }
        }
}

SOMA_EVERY_TARGET(SoftmaxTest);

}  // namespace
}  // namespace soma::test
