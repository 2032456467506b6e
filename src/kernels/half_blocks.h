// a Gemm → blocks of rounded operands that fit the first-level cache, and tiles of sums over them: what every fast half-precision
// product shares.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/half.h"

namespace soma {

// Operands of one block: 64 × 128 of a, 128 × 64 of b, on the stack. The depth is a multiple of kHalfBlock.
inline constexpr std::int64_t kHalfRows = 64, kHalfDepth = 128, kHalfColumns = 64;
static_assert(kHalfDepth % kHalfBlock == 0);

/// A tile of sums: sums[i·kHalfColumns + j] += the blocks' partial sums, i < rows, j < columns (all of its panels are worked
/// out).
///
///   a(i, k) = by_column ? a[k·kHalfRows + i] : a[i·kHalfDepth + k],   b(k, j) = b[k·kHalfColumns + j],   k < depth
template <class Left, class Right>
struct HalfTile {
  std::int64_t rows, columns, depth;
  bool by_column;
  const Left* a;
  const Right* b;
  float* sums;
};

/// Rows [row, row + rows) × products [first, first + count) of a, rounded by H::left.
template <class H>
void round_left(const Gemm<float>& g, std::int64_t row, std::int64_t rows, std::int64_t first, std::int64_t count,
                typename H::Left* to) {
  const bool by_column = g.a_row == 1;
  for (std::int64_t k = 0; k < count;) {
    const std::int64_t segment = (first + k) / g.depth, at = (first + k) % g.depth, run = std::min(g.depth - at, count - k);
    const float* from = g.a + row * g.a_row + (g.a_segments != nullptr ? g.a_segments[segment] : 0) + at * g.a_col;
    if (by_column)
      H::left(from, g.a_col, run, rows, to + k * kHalfRows, kHalfRows);
    else if (g.a_col == 1)
      H::left(from, g.a_row, rows, run, to + k, kHalfDepth);
    else
      for (std::int64_t r = 0; r < run; ++r) H::left(from + r * g.a_col, g.a_row, rows, 1, to + k + r, kHalfDepth);
    k += run;
  }
}

/// Products [first, first + count) × columns [column, column + columns) of b, whole panels, rounded by H::right; zeros up to the
/// panels that H works out at once.
template <class H>
void round_right(const Gemm<float>& g, std::int64_t first, std::int64_t count, std::int64_t column, std::int64_t columns,
                 typename H::Right* to) {
  for (std::int64_t p = 0; p < panels(columns); ++p)
    H::right(g.b + (column / kPanel + p) * g.b_panel + first * g.b_row, g.b_row, count, to + p * kPanel);
  if (panels(columns) % H::kPanels != 0)
    for (std::int64_t k = 0; k < count; ++k) std::fill_n(to + k * kHalfColumns + panels(columns) * kPanel, kPanel, 0);
}

/// Copies rows of up to kHalfColumns columns between c, in panels, and the sums of a tile.
template <bool kStore>
void move_sums(const Gemm<float>& g, std::int64_t row, std::int64_t rows, std::int64_t column, std::int64_t columns,
               float* sums) {
  for (std::int64_t j = 0; j < columns; j += kPanel) {
    const auto bytes = static_cast<std::size_t>(std::min(kPanel, columns - j)) * sizeof(float);
    float* c = g.c + (column + j) / kPanel * g.c_panel + row * g.c_row;
    for (std::int64_t i = 0; i < rows; ++i) {
      if constexpr (kStore)
        std::memcpy(c + i * g.c_row, sums + i * kHalfColumns + j, bytes);
      else
        std::memcpy(sums + i * kHalfColumns + j, c + i * g.c_row, bytes);
    }
  }
}

/// Bias or zero where a sum starts.
inline void start_sums(const Gemm<float>& g, std::int64_t rows, std::int64_t column, std::int64_t columns, float* sums) {
  for (std::int64_t i = 0; i < rows; ++i, sums += kHalfColumns) {
    if (g.bias != nullptr)
      std::copy_n(g.bias + column, columns, sums);
    else
      std::fill_n(sums, columns, 0.0f);
  }
}

/// The product of half.h by an instruction set H:
///   Left, Right                         how it keeps a rounded number of a, of b
///   left(x, x_row, rows, cols, y, y_row), right(x, x_row, rows, y)     round rows of cols, or of one panel
///   rows(columns) ≤ kMostRows           rows of its tiles; tile(t) adds one up, kPanels panels at a time
template <class H>
void half_gemm(const Gemm<float>& g) noexcept {
  alignas(64) typename H::Left a[kHalfRows * kHalfDepth];
  alignas(64) typename H::Right b[kHalfDepth * kHalfColumns];
  alignas(64) float sums[H::kMostRows * kHalfColumns] = {};
  const std::int64_t products = g.segments * g.depth;
  for (std::int64_t row = 0; row < g.m; row += kHalfRows)
    for (std::int64_t first = 0; first == 0 || first < products; first += kHalfDepth) {
      const std::int64_t rows = std::min(kHalfRows, g.m - row), depth = std::min(kHalfDepth, products - first);
      round_left<H>(g, row, rows, first, depth, a);
      for (std::int64_t column = 0; column < g.n; column += kHalfColumns) {
        const std::int64_t columns = std::min(kHalfColumns, g.n - column);
        round_right<H>(g, first, depth, column, columns, b);
        const std::int64_t tiles = (rows + H::rows(columns) - 1) / H::rows(columns);
        for (std::int64_t tile = 0; tile < tiles; ++tile) {
          const std::int64_t from = rows * tile / tiles, count = rows * (tile + 1) / tiles - from;
          if (g.accumulate || first > 0)
            move_sums<false>(g, row + from, count, column, columns, sums);
          else
            start_sums(g, count, column, columns, sums);
          const bool by_column = g.a_row == 1;
          H::tile({count, columns, depth, by_column, a + from * (by_column ? 1 : kHalfDepth), b, sums});
          move_sums<true>(g, row + from, count, column, columns, sums);
        }
      }
    }
}

}  // namespace soma
