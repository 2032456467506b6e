// sums, products and column sums on every target → the reference's bits, or within the bound its additions allow.
#include <cmath>
#include <limits>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

class ElementwiseTest : public TargetTest {};

TEST_P(ElementwiseTest, AddMultiplyAndScaleAreExact) {
  for (const std::int64_t n : kSizes)
    for (const std::int64_t offset : {0, 1, 3}) {
      const Guarded<float> a(uniform(n, -3, 3, 1), offset), b(uniform(n, -3, 3, 2), offset + 1);
      Guarded<float> sum(n, offset + 2), product(n, offset), scaled(a.values(), offset);
      kernels.add(a.data(), b.data(), sum.data(), n);
      kernels.multiply(a.data(), b.data(), product.data(), n);
      kernels.scale(0.3f, scaled.data(), n);
      for (std::int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(sum[i], a[i] + b[i]);
        ASSERT_EQ(product[i], a[i] * b[i]);
        ASSERT_EQ(scaled[i], a[i] * 0.3f);
      }
      ASSERT_TRUE(sum.intact() && product.intact() && scaled.intact()) << n;
    }
}

TEST_P(ElementwiseTest, WorkInPlace) {
  const std::vector<float> a = uniform(37, -3, 3, 1), b = uniform(37, -3, 3, 2);
  std::vector<float> left = a, right = b, product = a;
  kernels.add(left.data(), b.data(), left.data(), 37);
  kernels.add(a.data(), right.data(), right.data(), 37);
  kernels.multiply(product.data(), b.data(), product.data(), 37);
  EXPECT_EQ(left, right);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(left[i], a[i] + b[i]);
    EXPECT_EQ(product[i], a[i] * b[i]);
  }
}

TEST_P(ElementwiseTest, ColumnSumsHaveTheReferencesBits) {
  for (const std::int64_t cols : kSizes)
    for (const std::int64_t rows : {0, 1, 2, 19})
      for (const bool accumulate : {false, true}) {
        const std::int64_t x_row = cols + 3;
        const Guarded<float> x(uniform(rows * x_row, -3, 3, 1));
        const std::vector<float> start = uniform(cols, -1, 1, 2);
        Guarded<float> sum(cols), wanted(cols);
        if (accumulate) sum = Guarded<float>(start), wanted = Guarded<float>(start);
        kernels.sum_rows(x.data(), x_row, rows, cols, accumulate, sum.data());
        reference.sum_rows(x.data(), x_row, rows, cols, accumulate, wanted.data());
        ASSERT_EQ(bits(sum.values()), bits(wanted.values())) << rows << " × " << cols;
        ASSERT_TRUE(sum.intact());
      }
}

TEST_P(ElementwiseTest, ColumnSumsOfProducts) {
  for (const std::int64_t cols : kSizes)
    for (const bool shifted : {false, true})
      for (const bool accumulate : {false, true}) {
        const std::int64_t rows = 23, x_row = cols + 1;
        const Guarded<float> x(uniform(rows * x_row, -3, 3, 1)), z(uniform(rows * x_row, -3, 3, 2), 2);
        const Guarded<float> shift(uniform(cols, -1, 1, 3)), shift2(uniform(cols, -1, 1, 4));
        Guarded<float> sum(cols);
        if (accumulate) sum = Guarded<float>(uniform(cols, -1, 1, 5));
        const std::vector<float> start(sum.values().begin(), sum.values().end());
        kernels.sum_products(x.data(), shifted ? shift.data() : nullptr, z.data(), shifted ? shift2.data() : nullptr, x_row, rows,
                             cols, accumulate, sum.data());
        ASSERT_TRUE(sum.intact());
        for (std::int64_t j = 0; j < cols; ++j) {
          double wanted = accumulate ? start[static_cast<std::size_t>(j)] : 0, magnitude = std::abs(wanted);
          for (std::int64_t i = 0; i < rows; ++i) {
            const double a = double{x[i * x_row + j]} - (shifted ? shift[j] : 0),
                         b = double{z[i * x_row + j]} - (shifted ? shift2[j] : 0);
            wanted += a * b;
            magnitude += std::abs(a * b);
          }
          ASSERT_NEAR(sum[j], wanted, static_cast<double>(rows + 3) * kEpsilon * magnitude) << j << " of " << cols;
        }
      }
}

TEST_P(ElementwiseTest, ScaleAndShiftColumns) {
  for (const std::int64_t cols : kSizes) {
    const std::int64_t rows = 5;
    const Guarded<float> x(uniform(rows * cols, -3, 3, 1)), factor(uniform(cols, -2, 2, 2), 2),
        offset(uniform(cols, -2, 2, 3), 3);
    Guarded<float> y(rows * cols, 2), in_place(x.values());
    kernels.scale_shift(x.data(), factor.data(), offset.data(), y.data(), rows, cols);
    kernels.scale_shift(in_place.data(), factor.data(), offset.data(), in_place.data(), rows, cols);
    ASSERT_TRUE(y.intact());
    ASSERT_EQ(bits(y.values()), bits(in_place.values()));
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      const double product = double{x[i]} * factor[i % cols], wanted = product + offset[i % cols];
      ASSERT_NEAR(y[i], wanted, 2 * kEpsilon * (std::abs(product) + std::abs(wanted)));
    }
  }
}

TEST_P(ElementwiseTest, SumOfSquaresIsSummedInDouble) {
  for (const std::int64_t n : kSizes) {
    const Guarded<float> x(uniform(n, -1000, 1000, 1), n % 4);
    double wanted = 0;
    for (std::int64_t i = 0; i < n; ++i) wanted += double{x[i]} * x[i];
    ASSERT_NEAR(kernels.sum_squares(x.data(), n), wanted, static_cast<double>(n) * 0x1p-53 * wanted);
  }
  EXPECT_EQ(kernels.sum_squares(nullptr, 0), 0);
  const std::vector<float> huge(20, 3e38f);
  EXPECT_NEAR(kernels.sum_squares(huge.data(), 20), 20 * 9e76, 1e71);
  std::vector<float> poisoned(20, 1.0f);
  poisoned[13] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(kernels.sum_squares(poisoned.data(), 20)));
}

SOMA_EVERY_TARGET(ElementwiseTest);

}  // namespace
}  // namespace soma::test
