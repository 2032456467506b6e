// bytes × signed bytes → sums, or bytes again: the products of 8-bit inference, one table per instruction set.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace soma {

/// How a sum becomes a byte, the one definition that every instruction set follows to the bit:
///
///   q = clamp(zero + ⌊(sum · multiplier + 2^(shift − 1)) / 2^shift⌋, 0, 255)
///
/// in 64 bits, so rounded to nearest and halves up. 0 ≤ multiplier < 2^31, 31 ≤ shift ≤ 62: the factor is below 1.
struct Requantization {
  const std::int32_t* multiplier = nullptr;  ///< one per column
  const std::int32_t* shift = nullptr;       ///< one per column
  std::int32_t zero = 0;
};

inline constexpr std::int64_t kInt8Panel = 16;  ///< columns in a panel of weights: one AVX-512 register of sums
inline constexpr std::int64_t kMostWindows = 12;

/// sum(i, j) = max over p < windows of  bias[j] + Σ_k Σ_b<4 a[i·a_step + window[p] + tap[k] + b] · w(k, j, b),  0 ≤ i < m, 0 ≤ j
/// < n.
///
///   a     unsigned bytes; all four bytes of a tap are read, so rows whose length is no multiple of 4 need zero weights and
///         readable bytes behind them
///   w     signed bytes in [−127, 127], as pack_int8 lays them: [taps][panels][16][4]
///   bias, multiplier, shift   readable up to a multiple of 16 columns
///   y(i, j) = y[i·y_row + j]  the sum as a byte, or, when `sums` is given, sums[i·y_row + j] = the sum itself
///
/// The caller sees to it that no sum leaves int32. m, n, taps ≥ 1; 1 ≤ windows ≤ kMostWindows. y and sums overlap nothing.
struct Int8Product {
  std::int64_t m = 0, n = 0, taps = 0, windows = 1;
  const std::uint8_t* a = nullptr;
  std::int64_t a_step = 0;
  const std::int32_t* window = nullptr;
  const std::int32_t* tap = nullptr;
  const std::int8_t* w = nullptr;
  const std::int32_t* bias = nullptr;
  Requantization requantization;
  std::uint8_t* y = nullptr;
  std::int32_t* sums = nullptr;
  std::int64_t y_row = 0;
};

/// Serial, noexcept, allocates nothing. Every table gives the same bits.
struct Int8Kernels {
  const char* target = "";

  void (*product)(const Int8Product&) noexcept = nullptr;

  /// y = clamp(zero + x/scale rounded to nearest, halves to even; 0, 255): ONNX's QuantizeLinear. NaN becomes 0.
  void (*quantize)(const float* x, float scale, std::int32_t zero, std::uint8_t* y, std::int64_t n) noexcept = nullptr;
};

inline constexpr std::int64_t int8_panels(std::int64_t columns) { return (columns + kInt8Panel - 1) / kInt8Panel; }

/// Bytes that pack_int8 writes.
inline constexpr std::int64_t packed_int8_size(std::int64_t taps, std::int64_t columns) {
  return taps * int8_panels(columns) * kInt8Panel * 4;
}

/// Where byte `place` (of taps · 4) of a column's weights lies in what pack_int8 writes.
inline constexpr std::int64_t packed_int8_place(std::int64_t columns, std::int64_t column, std::int64_t place) {
  return ((place / 4 * int8_panels(columns) + column / kInt8Panel) * kInt8Panel + column % kInt8Panel) * 4 + place % 4;
}

/// w [columns, taps · 4] row by row → the order that product reads, zeros beyond the columns.
void pack_int8(const std::int8_t* w, std::int64_t taps, std::int64_t columns, std::int8_t* packed) noexcept;

/// The definition: plain loops, the judge of all others.
const Int8Kernels& reference_int8_kernels();

/// Every table this machine can run, best first, the reference last; "avx512-vnni" is the best of target "avx512".
std::span<const Int8Kernels* const> usable_int8_kernels();

/// The best table for a target that select_kernels chose.
const Int8Kernels& int8_kernels_for(std::string_view target);

}  // namespace soma
