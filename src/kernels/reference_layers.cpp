// layers as numbers → their outputs and gradients: activations, softmax, pooling and its gradients in plain loops, forward beside
// backward.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference.h"

namespace soma {
namespace {

// Klambauer et al. 2017, equation 14.
constexpr double kSeluScale = 1.0507009873554804934193349852946, kSeluAlpha = 1.6732632423543772848170429916717;

template <class T>
T sigmoid(T x) {
  const T z = std::exp(-std::abs(x));
  return (x >= 0 ? T(1) : z) / (T(1) + z);
}

// Φ(x) of the standard normal distribution; erfc keeps the left tail's digits.
template <class T>
T normal_cdf(T x) {
  return T(0.5) * std::erfc(-x * T(0.70710678118654752440));
}

template <class T>
T value(Activation::Kind kind, T alpha, T x) {
  using enum Activation::Kind;
  constexpr T selu_scale = T(kSeluScale), selu_slope = T(kSeluScale * kSeluAlpha);
  switch (kind) {
    case identity:
      return x;
    case relu:
      return x <= 0 ? T(0) : x;
    case leaky_relu:
      return x <= 0 ? alpha * x : x;
    case elu:
      return x < 0 ? alpha * std::expm1(x) : x;
    case selu:
      return x < 0 ? selu_slope * std::expm1(x) : selu_scale * x;
    case Activation::Kind::sigmoid:
      return soma::sigmoid(x);
    case tanh:
      return std::tanh(x);
    case softplus:
      return (x <= 0 ? T(0) : x) + std::log1p(std::exp(-std::abs(x)));
    case gelu:
      return x * normal_cdf(x);
    case silu:
      return x * soma::sigmoid(x);
  }
  return x;
}

// dy·f'(x), from y = f(x) where that is enough.
template <class T>
T gradient(Activation::Kind kind, T alpha, const T* x, T y, T dy) {
  using enum Activation::Kind;
  constexpr T selu_scale = T(kSeluScale), selu_slope = T(kSeluScale * kSeluAlpha);
  switch (kind) {
    case identity:
      return dy;
    case relu:
      return y <= 0 ? T(0) : dy;
    case leaky_relu:
      return y <= 0 ? dy * alpha : dy;
    case elu:
      return dy * (y <= 0 ? y + alpha : T(1));
    case selu:
      return dy * (y <= 0 ? y + selu_slope : selu_scale);
    case Activation::Kind::sigmoid:
      return dy * (y * (T(1) - y));
    case tanh:
      return dy * (T(1) - y * y);
    case softplus:
      return dy * -std::expm1(-y);
    case gelu:
      return dy * (normal_cdf(*x) + *x * (std::exp(T(-0.5) * *x * *x) * T(0.39894228040143267794)));
    case silu: {
      const T s = soma::sigmoid(*x);
      return dy * (s * (T(1) + *x * (T(1) - s)));
    }
  }
  return dy;
}

template <class T>
void activate(const Activation& f, const T* x, T* y, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) y[i] = value(f.kind, static_cast<T>(f.alpha), x[i]);
}

template <class T>
void activate_backward(const Activation& f, const T* x, const T* y, const T* dy, T* dx, std::int64_t n) noexcept {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = gradient(f.kind, static_cast<T>(f.alpha), x ? x + i : nullptr, y[i], dy[i]);
}

template <class T>
void softmax(bool log, const T* x, T* y, std::int64_t rows, std::int64_t cols) noexcept {
  for (std::int64_t i = 0; i < rows; ++i, x += cols, y += cols) {
    T top = x[0], sum = 0;
    for (std::int64_t j = 1; j < cols; ++j) top = x[j] <= top ? top : x[j];
    for (std::int64_t j = 0; j < cols; ++j) sum += std::exp(x[j] - top);
    for (std::int64_t j = 0; j < cols; ++j) y[j] = log ? x[j] - top - std::log(sum) : std::exp(x[j] - top) / sum;
  }
}

template <class T>
void softmax_backward(bool log, const T* y, const T* dy, T* dx, std::int64_t rows, std::int64_t cols) noexcept {
  for (std::int64_t i = 0; i < rows; ++i, y += cols, dy += cols, dx += cols) {
    T sum = 0;
    for (std::int64_t j = 0; j < cols; ++j) sum += log ? dy[j] : dy[j] * y[j];
    for (std::int64_t j = 0; j < cols; ++j) dx[j] = log ? dy[j] - std::exp(y[j]) * sum : y[j] * (dy[j] - sum);
  }
}

// Calls visit(output, input, position in the window) for every input under every window, in row order of outputs and windows.
template <class Visit>
void each_window(const PoolShape& s, Visit visit) {
  for (std::int64_t i = 0; i < s.out_h; ++i)
    for (std::int64_t j = 0; j < s.out_w; ++j)
      for (std::int64_t u = 0; u < s.size_h; ++u)
        for (std::int64_t v = 0; v < s.size_w; ++v) {
          const std::int64_t row = i * s.stride_h - s.padding_h + u, col = j * s.stride_w - s.padding_w + v;
          if (row < 0 || row >= s.h || col < 0 || col >= s.w) continue;
          for (std::int64_t c = 0; c < s.c; ++c)
            visit((i * s.out_w + j) * s.c + c, (row * s.w + col) * s.c + c, static_cast<std::uint16_t>(u * s.size_w + v));
        }
}

constexpr std::uint16_t kNone = 0xffff;

template <class T>
void max_pool(const PoolShape& s, const T* x, T* y, std::uint16_t* winner) noexcept {
  const std::int64_t n = s.out_h * s.out_w * s.c;
  std::fill_n(y, n, -std::numeric_limits<T>::infinity());
  if (winner) std::fill_n(winner, n, kNone);
  each_window(s, [&](std::int64_t out, std::int64_t in, std::uint16_t position) {
    const bool better = x[in] > y[out] || (std::isnan(x[in]) && !std::isnan(y[out]));
    if (better) y[out] = x[in];
    if (winner && (better || winner[out] == kNone)) winner[out] = position;  // a window of nothing but −∞ has a winner too
  });
}

template <class T>
void max_pool_backward(const PoolShape& s, const T* dy, const std::uint16_t* winner, T* dx) noexcept {
  std::fill_n(dx, s.h * s.w * s.c, T(0));
  each_window(s, [&](std::int64_t out, std::int64_t in, std::uint16_t position) {
    if (winner[out] == position) dx[in] += dy[out];
  });
}

template <class T>
void gather_patches(const Patches<T>& p) noexcept {
  for (std::int64_t i = 0; i < p.count; ++i) {
    T* row = p.rows + i * p.row;
    std::fill_n(row, p.row, T(0));
    for (std::int64_t r = 0; r < p.run_count; ++r) std::copy_n(p.x + i * p.step + p.runs[r], p.depth, row + r * p.depth);
  }
}

template <class T>
void winner_gradient(const WinnerGradient<T>& g) noexcept {
  for (std::int64_t o = 0; o < g.channels; ++o)
    for (std::int64_t t = 0; t < g.taps; ++t)
      for (std::int64_t q = 0; q < g.windows; ++q)
        g.dw[t / kPanel * g.dw_panel + o * kPanel + t % kPanel] +=
            g.dy[q * g.dy_row + o] * g.patches[q * g.window + g.positions[g.winner[q * g.dy_row + o]] + t];
}

template <class T>
void average_pool(const PoolShape& s, const T* x, T* y) noexcept {
  const std::int64_t n = s.out_h * s.out_w * s.c;
  std::fill_n(y, n, T(0));
  each_window(s, [&](std::int64_t out, std::int64_t in, std::uint16_t) { y[out] += x[in]; });
  for (std::int64_t i = 0; i < n; ++i) y[i] /= static_cast<T>(s.size_h * s.size_w);
}

template <class T>
void average_pool_backward(const PoolShape& s, const T* dy, T* dx) noexcept {
  std::fill_n(dx, s.h * s.w * s.c, T(0));
  each_window(s,
              [&](std::int64_t out, std::int64_t in, std::uint16_t) { dx[in] += dy[out] / static_cast<T>(s.size_h * s.size_w); });
}

}  // namespace

template <class T>
void reference_layers(Kernels<T>& table) {
  table.activate = activate<T>;
  table.activate_backward = activate_backward<T>;
  table.softmax = softmax<T>;
  table.softmax_backward = softmax_backward<T>;
  table.max_pool = max_pool<T>;
  table.max_pool_backward = max_pool_backward<T>;
  table.gather_patches = gather_patches<T>;
  table.winner_gradient = winner_gradient<T>;
  table.average_pool = average_pool<T>;
  table.average_pool_backward = average_pool_backward<T>;
}

template void reference_layers(Kernels<float>&);
template void reference_layers(Kernels<double>&);

}  // namespace soma
