// spans of numbers → spans of numbers: the table of micro-kernels, one per SIMD target, chosen once at start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/operations.h"
#include "soma/error.h"

namespace soma {

/// The micro-kernels of one target. All are serial, noexcept, allocate nothing, and give for every element the same bits
/// wherever in the array it stands and however the array was cut. Pointers need no alignment. Spans may not overlap unless said.
template <class T>
struct Kernels {
  const char* target = "";

  void (*gemm)(const Gemm<T>&) noexcept = nullptr;
  void (*pooled_gemm)(const PooledGemm<T>&) noexcept = nullptr;  ///< null where products are of another precision

  void (*transpose)(const Transpose<T>&) noexcept = nullptr;

  void (*dots)(const Dots<T>&) noexcept = nullptr;

  /// y = f(x). y may be x.
  void (*activate)(const Activation& f, const T* x, T* y, std::int64_t n) noexcept = nullptr;

  /// dx = dy · f'(x). Every kind but gelu and silu is worked out from y = f(x) alone (x may be null); gelu and silu read x.
  /// relu, leaky_relu: slope at 0 is that of the negative side. dx may be dy.
  void (*activate_backward)(const Activation& f, const T* x, const T* y, const T* dy, T* dx, std::int64_t n) noexcept = nullptr;

  /// Each row of [rows, cols]: e^(x − max)/Σ, or x − max − log Σ when log. y may be x.
  void (*softmax)(bool log, const T* x, T* y, std::int64_t rows, std::int64_t cols) noexcept = nullptr;
  /// softmax: dx = y·(dy − Σ dy·y);  log: dx = dy − e^y·Σ dy. dx may be dy.
  void (*softmax_backward)(bool log, const T* y, const T* dy, T* dx, std::int64_t rows, std::int64_t cols) noexcept = nullptr;

  /// y and winner[out_h, out_w, c]: position of the maximum inside its window (row·size_w + column), the first of equals, and the
  /// first NaN if there is one. Padding never wins. winner may be null. size_h·size_w ≤ 65536.
  void (*max_pool)(const PoolShape&, const T* x, T* y, std::uint16_t* winner) noexcept = nullptr;
  /// dx [h, w, c] is overwritten: every dy is added to its winner, in row order of the outputs.
  void (*max_pool_backward)(const PoolShape&, const T* dy, const std::uint16_t* winner, T* dx) noexcept = nullptr;
  void (*gather_patches)(const Patches<T>&) noexcept = nullptr;
  void (*winner_gradient)(const WinnerGradient<T>&) noexcept = nullptr;
  /// Divides by size_h·size_w, padding included.
  void (*average_pool)(const PoolShape&, const T* x, T* y) noexcept = nullptr;
  void (*average_pool_backward)(const PoolShape&, const T* dy, T* dx) noexcept = nullptr;

  /// y = a + b; y may be a or b.
  void (*add)(const T* a, const T* b, T* y, std::int64_t n) noexcept = nullptr;
  /// x *= s.
  void (*scale)(T s, T* x, std::int64_t n) noexcept = nullptr;
  /// y = x·mask, mask holding 0 or a factor. y may be x.
  void (*multiply)(const T* x, const T* mask, T* y, std::int64_t n) noexcept = nullptr;
  /// Column sums: sum[j] (+)= Σ_i x[i·x_row + j], i ascending.
  void (*sum_rows)(const T* x, std::int64_t x_row, std::int64_t rows, std::int64_t cols, bool accumulate,
                   T* sum) noexcept = nullptr;
  /// Column sums of products: sum[j] (+)= Σ_i (x[i·x_row + j] − shift[j])·(z[i·x_row + j] − shift2[j]); null shifts are 0.
  void (*sum_products)(const T* x, const T* shift, const T* z, const T* shift2, std::int64_t x_row, std::int64_t rows,
                       std::int64_t cols, bool accumulate, T* sum) noexcept = nullptr;
  /// y[i, j] = x[i, j]·factor[j] + offset[j] (one fused multiply-add where there is one); rows of cols, contiguous. y may be x.
  void (*scale_shift)(const T* x, const T* factor, const T* offset, T* y, std::int64_t rows,
                      std::int64_t cols) noexcept = nullptr;
  /// Σ x², summed in double.
  double (*sum_squares)(const T* x, std::int64_t n) noexcept = nullptr;

  /// w, s0, s1 in place; state the rule does not keep may be null.
  void (*update)(const Update<T>&, T* w, const T* g, T* s0, T* s1, std::int64_t n) noexcept = nullptr;
};

/// The slow, obvious version: plain loops, the judge of all others. T is float or double.
template <class T>
const Kernels<T>& reference_kernels();

/// Every table this machine can run, best first, the reference last.
std::span<const Kernels<float>* const> usable_kernels();

/// The usable table of that name; "" is the best one. Unknown names are an error that lists the usable ones.
[[nodiscard]] Result<const Kernels<float>*> kernels_named(std::string_view name);

/// The one named by $SOMA_TARGET, else the best. Unknown names are an error that lists the usable ones. Decided once.
[[nodiscard]] Result<const Kernels<float>*> select_kernels();

}  // namespace soma
