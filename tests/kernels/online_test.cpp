// the online kernels of every target → what the reference gives, within the rounding of their sums; padding and edges untouched.
#include "kernels/online.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/guarded.h"

namespace soma::test {
namespace {

constexpr double kUnit = 0x1p-53;

struct Task {
  std::int64_t rows, width;
  Guarded<double> w, delta;
  std::vector<OnlineRow> row;

  Task(std::int64_t rows_, std::int64_t width_) : rows(rows_), width(width_), w(2 * rows * width), delta(width) {
    std::mt19937 draw(static_cast<unsigned>(97 * rows + width));
    std::uniform_real_distribution<double> any(-1, 1);
    for (std::int64_t i = 0; i < w.size(); ++i) w[i] = i % 5 == 0 ? 0 : any(draw);
    for (std::int64_t j = 0; j < width; ++j) delta[j] = any(draw);
    for (std::int64_t i = 0; i < rows; ++i)
      row.push_back({(2 * i + i % 2) * width, any(draw), 1 + any(draw) / 100, any(draw) / 100});
  }
};

TEST(OnlineKernels, EveryTargetAgreesWithTheReference) {
  for (const OnlineKernels* kernels : usable_online_kernels())
    for (const std::int64_t rows : {0, 1, 2, 7, 40})
      for (const std::int64_t width : {8, 16, 24, 40, 64, 104, 136}) {
        const Task start(rows, width);
        Task fast = start, plain = start;
        Guarded<double> y(width), want(width), error(rows + 1), want_error(rows + 1);
        kernels->forward(fast.w.data(), fast.row.data(), rows, width, y.data());
        reference_online_kernels().forward(plain.w.data(), plain.row.data(), rows, width, want.data());
        // Each term is below 1.03, made with three roundings and added with one.
        const double sum_bound = 1.1 * static_cast<double>(rows * (rows + 4)) * kUnit;
        for (std::int64_t j = 0; j < width; ++j)
          ASSERT_NEAR(y[j], want[j], sum_bound) << kernels->target << " " << rows << " " << width;

        kernels->backward(fast.w.data(), fast.row.data(), rows, width, fast.delta.data(), error.data());
        reference_online_kernels().backward(plain.w.data(), plain.row.data(), rows, width, plain.delta.data(), want_error.data());
        for (std::int64_t i = 0; i < rows; ++i)
          ASSERT_NEAR(error[i], want_error[i], static_cast<double>(width * width) * kUnit) << kernels->target;
        for (std::int64_t i = 0; i < fast.w.size(); ++i) ASSERT_NEAR(fast.w[i], plain.w[i], 8 * kUnit) << kernels->target;

        Task again = start;
        kernels->backward(again.w.data(), again.row.data(), rows, width, again.delta.data(), nullptr);
        for (std::int64_t i = 0; i < fast.w.size(); ++i) ASSERT_EQ(fast.w[i], again.w[i]) << kernels->target;
        EXPECT_TRUE(y.intact() && error.intact() && fast.w.intact() && again.w.intact());
        EXPECT_TRUE(std::isnan(error[rows])) << "one error per row";
      }
}

TEST(OnlineKernels, SettleAndMerge) {
  for (const OnlineKernels* kernels : usable_online_kernels())
    for (const std::int64_t n : {8, 16, 72}) {
      const Task start(n / 8, 8);
      for (const double shift : {0.0, 0.01, -0.01}) {
        Task fast = start, plain = start;
        kernels->settle(fast.w.data(), 1.25, shift, n);
        reference_online_kernels().settle(plain.w.data(), 1.25, shift, n);
        for (std::int64_t i = 0; i < n; ++i) ASSERT_NEAR(fast.w[i], plain.w[i], 2 * kUnit) << kernels->target << " " << shift;
        EXPECT_EQ(fast.w[0], 0) << "sgn 0 is 0";
        EXPECT_TRUE(fast.w.intact());
      }
      Task fast = start, plain = start;
      kernels->merge(fast.w.data(), start.w.data() + n, start.w.data(), 0.5, n);
      reference_online_kernels().merge(plain.w.data(), start.w.data() + n, start.w.data(), 0.5, n);
      for (std::int64_t i = 0; i < n; ++i) ASSERT_NEAR(fast.w[i], plain.w[i], 4 * kUnit) << kernels->target;
      EXPECT_TRUE(fast.w.intact());
    }
}

TEST(OnlineKernels, NaNPassesThrough) {
  for (const OnlineKernels* kernels : usable_online_kernels()) {
    Task task(3, 8);
    task.w[task.row[1].offset + 2] = std::numeric_limits<double>::quiet_NaN();
    Guarded<double> y(8);
    kernels->forward(task.w.data(), task.row.data(), 3, 8, y.data());
    for (std::int64_t j = 0; j < 8; ++j) EXPECT_EQ(std::isnan(y[j]), j == 2) << kernels->target;
  }
}

}  // namespace
}  // namespace soma::test
