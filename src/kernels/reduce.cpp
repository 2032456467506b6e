// arrays → sums, column sums, and the elementwise arithmetic between layers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce.cpp"
#include <hwy/foreach_target.h>
// (must come first)
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"
#include "kernels/targets.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

struct Sum {
  HWY_INLINE V operator()(V a, V b) const { return hn::Add(a, b); }
};
struct Product {
  HWY_INLINE V operator()(V a, V b) const { return hn::Mul(a, b); }
};
struct Times {
  float s;
  HWY_INLINE V operator()(V x) const { return hn::Mul(x, hn::Set(Floats(), s)); }
};

void add(const float* a, const float* b, float* y, std::int64_t n) noexcept { transform(n, y, Sum{}, a, b); }
void multiply(const float* x, const float* mask, float* y, std::int64_t n) noexcept { transform(n, y, Product{}, x, mask); }
void scale(float s, float* x, std::int64_t n) noexcept { transform(n, x, Times{s}, static_cast<const float*>(x)); }

struct SumRows {
  const float* x;
  std::int64_t x_row, rows;
  bool accumulate;
  float* sum;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t j) const {
    auto total = accumulate ? hn::LoadU(d, sum + j) : hn::Zero(d);
    for (std::int64_t i = 0; i < rows; ++i) total = hn::Add(total, hn::LoadU(d, x + i * x_row + j));
    hn::StoreU(total, d, sum + j);
  }
};

void sum_rows(const float* x, std::int64_t x_row, std::int64_t rows, std::int64_t cols, bool accumulate, float* sum) noexcept {
  each_channels(0, cols, SumRows{x, x_row, rows, accumulate, sum});
}

struct SumProducts {
  const float *x, *shift, *z, *shift2;
  std::int64_t x_row, rows;
  bool accumulate;
  float* sum;

  template <class D>
  HWY_INLINE void operator()(D d, std::int64_t j) const {
    const auto a0 = shift ? hn::LoadU(d, shift + j) : hn::Zero(d), b0 = shift2 ? hn::LoadU(d, shift2 + j) : hn::Zero(d);
    auto total = accumulate ? hn::LoadU(d, sum + j) : hn::Zero(d);
    for (std::int64_t i = 0; i < rows; ++i) {
      const auto a = hn::Sub(hn::LoadU(d, x + i * x_row + j), a0), b = hn::Sub(hn::LoadU(d, z + i * x_row + j), b0);
      total = hn::MulAdd(a, b, total);
    }
    hn::StoreU(total, d, sum + j);
  }
};

void sum_products(const float* x, const float* shift, const float* z, const float* shift2, std::int64_t x_row, std::int64_t rows,
                  std::int64_t cols, bool accumulate, float* sum) noexcept {
  each_channels(0, cols, SumProducts{x, shift, z, shift2, x_row, rows, accumulate, sum});
}

struct ScaleShift {
  HWY_INLINE V operator()(V x, V factor, V offset) const { return hn::MulAdd(x, factor, offset); }
};

void scale_shift(const float* x, const float* factor, const float* offset, float* y, std::int64_t rows,
                 std::int64_t cols) noexcept {
  for (std::int64_t i = 0; i < rows; ++i) transform(cols, y + i * cols, ScaleShift{}, x + i * cols, factor, offset);
}

// Two chains of doubles, half a vector of floats each.
double sum_squares(const float* x, std::int64_t n) noexcept {
  const hn::CappedTag<double, kMaxLanes / 2> d;
  const hn::Rebind<float, decltype(d)> df;
  const auto step = static_cast<std::int64_t>(hn::Lanes(d));
  auto even = hn::Zero(d), odd = hn::Zero(d);
  std::int64_t i = 0;
  for (; i + 2 * step <= n; i += 2 * step) {
    const auto a = hn::PromoteTo(d, hn::LoadU(df, x + i)), b = hn::PromoteTo(d, hn::LoadU(df, x + i + step));
    even = hn::MulAdd(a, a, even);
    odd = hn::MulAdd(b, b, odd);
  }
  double sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  for (; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

}  // namespace

void fill_reduce(Kernels<float>& table) {
  table.add = add;
  table.multiply = multiply;
  table.scale = scale;
  table.sum_rows = sum_rows;
  table.sum_products = sum_products;
  table.scale_shift = scale_shift;
  table.sum_squares = sum_squares;
}

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_reduce(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_reduce)(table); }
}  // namespace soma
#endif
