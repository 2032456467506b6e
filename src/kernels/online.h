// rows of weights, one sample → the sums of a layer, and the rows moved: what training one sample at a time needs, in double.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace soma {

/// One row of weights: all that leaves one input. Its `width` numbers are w[offset, offset + width).
/// A row left alone for some steps is behind by a map that needs no look at the steps: w → growth·w + sgn(w)·shift.
struct OnlineRow {
  std::int64_t offset = 0;
  double x = 0;
  double growth = 1, shift = 0;
};

/// The micro-kernels of one SIMD target. Serial, allocate nothing, width a multiple of 8, pointers need no alignment; rows may
/// not overlap each other nor y, delta or error. sgn(0) = 0. NaN passes through.
struct OnlineKernels {
  const char* target = "";

  /// y[j] = Σ_i x_i·(growth_i·w_ij + sgn(w_ij)·shift_i), i ascending; no row: zeros. w is only read.
  void (*forward)(const double* w, const OnlineRow* rows, std::int64_t count, std::int64_t width, double* y) noexcept = nullptr;

  /// w_ij ← growth_i·w_ij + sgn(w_ij)·shift_i − x_i·delta_j. When `error` is given: error_i = Σ_j delta_j·w_ij with the old w_ij.
  void (*backward)(double* w, const OnlineRow* rows, std::int64_t count, std::int64_t width, const double* delta,
                   double* error) noexcept = nullptr;

  /// w_j ← growth·w_j + sgn(w_j)·shift, n a multiple of 8.
  void (*settle)(double* w, double growth, double shift, std::int64_t n) noexcept = nullptr;

  /// main_j += (private_j − start_j)·factor, n a multiple of 8.
  void (*merge)(double* main, const double* own, const double* start, double factor, std::int64_t n) noexcept = nullptr;
};

/// Plain loops: the judge.
const OnlineKernels& reference_online_kernels();

/// Every table this machine can run, best first, the reference last: one for each that usable_kernels() has.
std::span<const OnlineKernels* const> usable_online_kernels();

/// The table of a target that select_kernels chose.
const OnlineKernels& online_kernels_for(std::string_view target);

}  // namespace soma
