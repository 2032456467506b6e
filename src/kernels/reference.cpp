// spans → spans in plain loops: matrix products, panels, elementwise and column sums exactly as kernels.h words them.
#include "kernels/reference.h"

#include <algorithm>
#include <cmath>

namespace soma {
namespace {

template <class T>
void gemm(const Gemm<T>& g) noexcept {
  for (std::int64_t i = 0; i < g.m; ++i)
    for (std::int64_t j = 0; j < g.n; ++j) {
      const T* b = g.b + j / kPanel * g.b_panel + j % kPanel;
      T& c = g.c[j / kPanel * g.c_panel + i * g.c_row + j % kPanel];
      if (g.stranded) {
        T strand[kStrands] = {g.bias ? g.bias[j] : T(0)};
        for (std::int64_t k = 0; k < g.depth; ++k) strand[k % kStrands] += g.a[i * g.a_row + k * g.a_col] * b[k * g.b_row];
        c = (strand[0] + strand[1]) + (strand[2] + strand[3]);
        continue;
      }
      T sum = g.accumulate ? c : g.bias ? g.bias[j] : T(0);
      for (std::int64_t s = 0; s < g.segments; ++s) {
        const T* a = g.a + i * g.a_row + (g.a_segments ? g.a_segments[s] : 0);
        for (std::int64_t k = 0; k < g.depth; ++k) sum += a[k * g.a_col] * b[(s * g.depth + k) * g.b_row];
      }
      c = sum;
    }
}

template <class T>
void pooled_gemm(const PooledGemm<T>& p) noexcept {
  const Gemm<T>& g = p.product;
  for (std::int64_t w = 0; w < g.m; ++w)
    for (std::int64_t panel = 0; panel < panels(g.n); ++panel)
      for (int i = 0; i < 4; ++i) {
        T here[kPanel];
        Gemm<T> one = g;
        one.m = 1;
        one.n = std::min(kPanel, g.n - panel * kPanel);
        one.a += (2 * w + i % 2) * g.a_row + i / 2 * p.a_line;
        one.b += panel * g.b_panel;
        if (one.bias) one.bias += panel * kPanel;
        one.c = here;
        gemm(one);
        for (std::int64_t j = 0; j < one.n; ++j) {
          const std::int64_t at = w * g.c_row + panel * kPanel + j;
          T& best = g.c[at];
          if (i > 0 && !(here[j] > best || (std::isnan(here[j]) && !std::isnan(best)))) continue;
          best = here[j];
          if (p.winner) p.winner[at] = static_cast<std::uint16_t>(i);
        }
      }
}

template <class T>
void transpose(const Transpose<T>& t) noexcept {
  for (std::int64_t i = 0; i < (t.fill ? panels(t.rows) * kPanel : t.rows); ++i)
    for (std::int64_t j = 0; j < t.cols; ++j)
      t.y[i / kPanel * t.y_panel + j * t.y_row + i % kPanel] =
          i < t.rows ? t.x[j / kPanel * t.x_panel + i * t.x_row + j % kPanel] : T(0);
}

template <class T>
void dots(const Dots<T>& g) noexcept {
  for (std::int64_t i = 0; i < g.m; ++i)
    for (std::int64_t k = 0; k < g.n; ++k) {
      T lane[kPanel] = {};
      for (std::int64_t j = 0; j < g.depth; ++j)
        lane[j % kPanel] += g.a[i * g.a_row + j] * g.b[j / kPanel * g.b_panel + k * kPanel + j % kPanel];
      for (std::int64_t half = kPanel / 2; half > 0; half /= 2)
        for (std::int64_t l = 0; l < half; ++l) lane[l] += lane[l + half];
      g.c[i * g.c_row + k] = lane[0];
    }
}

template <class T>
void add(const T* a, const T* b, T* y, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

template <class T>
void scale(T s, T* x, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= s;
}

template <class T>
void multiply(const T* x, const T* mask, T* y, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * mask[i];
}

template <class T>
void sum_rows(const T* x, std::int64_t x_row, std::int64_t rows, std::int64_t cols, bool accumulate, T* sum) noexcept {
  if (!accumulate) std::fill_n(sum, cols, T(0));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j) sum[j] += x[i * x_row + j];
}

template <class T>
void sum_products(const T* x, const T* shift, const T* z, const T* shift2, std::int64_t x_row, std::int64_t rows,
                  std::int64_t cols, bool accumulate, T* sum) noexcept {
  if (!accumulate) std::fill_n(sum, cols, T(0));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j)
      sum[j] += (x[i * x_row + j] - (shift ? shift[j] : T(0))) * (z[i * x_row + j] - (shift2 ? shift2[j] : T(0)));
}

template <class T>
void scale_shift(const T* x, const T* factor, const T* offset, T* y, std::int64_t rows, std::int64_t cols) noexcept {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < cols; ++j) y[i * cols + j] = x[i * cols + j] * factor[j] + offset[j];
}

template <class T>
double sum_squares(const T* x, std::int64_t n) noexcept {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

}  // namespace

int state_arrays(UpdateRule rule) {
  using enum UpdateRule;
  switch (rule) {
    case sgd:
      return 0;
    case momentum:
    case nesterov:
    case adagrad:
    case rmsprop:
      return 1;
    case adadelta:
    case adam:
    case nadam:
      return 2;
  }
  return 0;
}

template <class T>
const Kernels<T>& reference_kernels() {
  static const Kernels<T> table = [] {
    Kernels<T> k;
    k.target = "reference";
    k.gemm = gemm<T>;
    k.pooled_gemm = pooled_gemm<T>;
    k.transpose = transpose<T>;
    k.dots = dots<T>;
    k.add = add<T>;
    k.scale = scale<T>;
    k.multiply = multiply<T>;
    k.sum_rows = sum_rows<T>;
    k.sum_products = sum_products<T>;
    k.scale_shift = scale_shift<T>;
    k.sum_squares = sum_squares<T>;
    reference_layers(k);
    reference_update(k);
    return k;
  }();
  return table;
}

template const Kernels<float>& reference_kernels<float>();
template const Kernels<double>& reference_kernels<double>();

}  // namespace soma
