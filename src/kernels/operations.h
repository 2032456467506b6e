// what a micro-kernel is asked for → plain numbers and pointers: every operation with the shapes it takes. Knows no config.
#pragma once

#include <cstdint>

#include "soma/activation.h"

namespace soma {

/// Columns of a weight matrix are stored in panels this wide: panel p holds columns [16p, 16p + 16) as rows of 16, zero where
/// the matrix has ended. 16 floats are one AVX-512 register, two AVX2, four SSE.
inline constexpr std::int64_t kPanel = 16;

/// Sums that a product of few columns is split into, so that its multiply-adds do not wait for each other.
inline constexpr int kStrands = 4;

inline constexpr std::int64_t panels(std::int64_t columns) { return (columns + kPanel - 1) / kPanel; }

/// c(i, j) = start + Σ_s Σ_k a(i, s, k) · b(s·depth + k, j), in exactly that order, each product added by one fused multiply-add
/// where the target has it. So the result does not depend on how a larger product is cut into blocks.
///
/// - a(i, s, k) = a[i·a_row + segment(s) + k·a_col] with segment(s) = a_segments ? a_segments[s] : 0, 0 ≤ s < segments,
///   0 ≤ k < depth.
/// - b(r, j) = b[(j / 16)·b_panel + r·b_row + j % 16]. All 16 of a panel's columns must be readable.
/// - c(i, j) = c[(j / 16)·c_panel + i·c_row + j % 16]. Only columns j < n are written.
/// - start = c(i, j) when accumulate, else bias[j] (bias readable up to a multiple of 16), else 0.
///
/// Or, `stranded`: with n ≤ 16, one segment and no accumulate, as kStrands such sums, of the k that are equal modulo kStrands,
/// the first from start, the others from 0; c(i, j) = (s0 + s1) + (s2 + s3).
///
/// m, n ≥ 1. c overlaps neither a nor b. NaN and Inf pass through.
template <class T>
struct Gemm {
  std::int64_t m = 0, n = 0, depth = 0;
  const T* a = nullptr;
  std::int64_t a_row = 0, a_col = 1;
  const std::int64_t* a_segments = nullptr;
  std::int64_t segments = 1;
  const T* b = nullptr;
  std::int64_t b_panel = 0, b_row = kPanel;
  T* c = nullptr;
  std::int64_t c_row = 0, c_panel = kPanel;
  const T* bias = nullptr;
  bool accumulate = false, stranded = false;
};

/// A product whose rows are the pixels under 2×2 pooling windows, pooled before it reaches memory. Window w < product.m covers
/// four rows of a, at a + 2·w·a_row: there, a_row behind, a_line behind, and both. Of their four results, each as Gemm has it:
///   c[w·c_row + j] is the greatest, winner[w·c_row + j] (where winner is not null) its number 0 to 3 in that order: the first of
///   equals, and the first NaN if there is one.
/// No `accumulate` and no `stranded`; c_panel is 16.
template <class T>
struct PooledGemm {
  Gemm<T> product;
  std::int64_t a_line = 0;
  std::uint16_t* winner = nullptr;
};

/// y(j, i) = x(i, j), i < rows, j < cols, where x(i, j) = x[(j / 16)·x_panel + i·x_row + j % 16] and
/// y(j, i) = y[(i / 16)·y_panel + j·y_row + i % 16]: panels as above, or plain rows where a panel's stride is 16. With `fill`,
/// what the last panel of y has beyond `rows` becomes zero; else it is left alone.
template <class T>
struct Transpose {
  std::int64_t rows = 0, cols = 0;
  const T* x = nullptr;
  std::int64_t x_panel = kPanel, x_row = kPanel;
  T* y = nullptr;
  std::int64_t y_panel = kPanel, y_row = kPanel;
  bool fill = true;
};

/// c[i·c_row + k] = Σ_j a[i·a_row + j]·b(k, j), j < depth: the product with the transposed matrix, without transposing it.
///
///   b(k, j) = b[(j / 16)·b_panel + k·16 + j % 16]; beyond depth it holds zeros up to a multiple of 16
///
/// Sixteen sums, of the j that are equal modulo 16 in ascending order, each product added by one fused multiply-add where the
/// target has it; then lane l gets lane l + 8, l + 4, l + 2, l + 1. m rows of a, n rows of b. For few rows: each number of b is
/// read once, and used m times.
template <class T>
struct Dots {
  std::int64_t m = 0, n = 0, depth = 0;
  const T* a = nullptr;
  std::int64_t a_row = 0;
  const T* b = nullptr;
  std::int64_t b_panel = 0;
  T* c = nullptr;
  std::int64_t c_row = 0;
};

/// One pooled image, channels last: x [h, w, c] → y [out_h, out_w, c].
struct PoolShape {
  std::int64_t h = 0, w = 0, c = 0, out_h = 0, out_w = 0;
  std::int64_t size_h = 0, size_w = 0, stride_h = 0, stride_w = 0, padding_h = 0, padding_w = 0;
};

/// What lies under a row of filter windows, one row of numbers for each: rows[i·row + r·depth + k] = x[i·step + runs[r] + k],
/// k < depth, r < count of runs; zero from there to the end of the row.
template <class T>
struct Patches {
  const T* x = nullptr;
  std::int64_t step = 0;
  const std::int64_t* runs = nullptr;
  std::int64_t run_count = 0, depth = 0;
  T* rows = nullptr;
  std::int64_t row = 0, count = 0;
};

/// The weight gradient of a convolution behind max-pooling, where of each window only the winner passes one on:
///   dw(o, t) += Σ_q dy[q·dy_row + o] · patches[q·window + positions[winner[q·dy_row + o]] + t],  q ascending over `windows`,
/// each product added by one fused multiply-add where the target has it. dw(o, t) = dw[(t/16)·dw_panel + o·16 + t%16] for
/// o < channels; `taps` is a multiple of 16.
template <class T>
struct WinnerGradient {
  std::int64_t windows = 0, channels = 0, taps = 0;
  const T* dy = nullptr;
  const std::uint16_t* winner = nullptr;
  std::int64_t dy_row = 0;
  const T* patches = nullptr;
  std::int64_t window = 0;
  const std::int64_t* positions = nullptr;
  T* dw = nullptr;
  std::int64_t dw_panel = 0;
};

/// How an Update moves a parameter.
enum class UpdateRule { sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam, nadam };

/// The numbers of one optimizer step, worked out by the optimizer.
/// For each w with gradient g (PyTorch's definitions):
///   g ← clamp(gradient_scale·g, ±clip_value if > 0) + l1·sgn(w) + l2·w;   w ← w·(1 − rate·weight_decay);   then by rule
///   sgd       w −= rate·g
///   momentum  s0 = momentum·s0 + g;                       w −= rate·s0
///   nesterov  s0 = momentum·s0 + g;                       w −= rate·(g + momentum·s0)
///   adagrad   s0 += g²;                                   w −= rate·g / (√s0 + epsilon)
///   adadelta  s0 = rho·s0 + (1−rho)·g²;  d = g·√(s1+epsilon)/√(s0+epsilon);  s1 = rho·s1 + (1−rho)·d²;  w −= rate·d
///   rmsprop   s0 = rho·s0 + (1−rho)·g²;                   w −= rate·g / (√s0 + epsilon)          (rho carries `alpha`)
///   adam      s0 = β1·s0 + (1−β1)·g;  s1 = β2·s1 + (1−β2)·g²;  w −= step1·s0 / (√s1·root2 + epsilon)
///                step1 = rate/(1−β1^t), root2 = 1/√(1−β2^t)
///   nadam     moments as adam;  w −= (step1·s0 + step2·g) / (√s1·root2 + epsilon)
///                step1 = rate·μ_{t+1}/(1−Π_{i≤t+1}μ_i), step2 = rate·(1−μ_t)/(1−Π_{i≤t}μ_i)
template <class T>
struct Update {
  UpdateRule rule = UpdateRule::sgd;
  T rate = 0, momentum = 0, rho = 0, beta1 = 0, beta2 = 0, epsilon = 0;
  T rest_rho = 1, rest1 = 1, rest2 = 1;  ///< 1−rho, 1−β1, 1−β2, taken before rounding: near 1 a rounded β leaves few digits of it
  T step1 = 0, step2 = 0, root2 = 1;
  T gradient_scale = 1, clip_value = 0, l1 = 0, l2 = 0, weight_decay = 0;
};

/// Arrays of optimizer state that a rule keeps per parameter: 0, 1 or 2.
int state_arrays(UpdateRule rule);

}  // namespace soma
