// rows × panels, along the panels' columns → rows: the product with a transposed matrix, read as it lies.
#include <hwy/cache_control.h>

#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "kernels/targets.h"
#include "kernels/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dots.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {
namespace {

constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;
constexpr int kVectors = static_cast<int>(kPanel / hn::MaxLanes(Floats()));  // vectors in a panel
constexpr int kSums = (kManyRegisters ? 24 : 12) / kVectors;  // of sixteen lanes, which leaves registers for the factors
constexpr int kMaxRows = kManyRegisters ? 6 : 3;

template <class D>
HWY_INLINE float fold(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(d) == 1) {
    return hn::GetLane(v);
  } else {
    const hn::Half<D> half;
    return fold(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// The sum of sixteen lanes, by halves: the same additions whatever the length of a vector.
HWY_INLINE float sum_lanes(V (&part)[kVectors]) {
  for (int half = kVectors / 2; half > 0; half /= 2)
    for (int v = 0; v < half; ++v) part[v] = hn::Add(part[v], part[v + half]);
  return fold(Floats(), part[0]);
}

/// kRows rows of a with kColumns rows of b.
template <int kRows, int kColumns>
HWY_ATTR HWY_NOINLINE void tile(const Dots<float>& g, std::int64_t i, std::int64_t k) {
  const Floats d;
  const std::int64_t step = lanes(), whole = g.depth / kPanel * kPanel;
  const float* a = g.a + i * g.a_row;
  const float* b = g.b + k * kPanel;
  V sum[kRows][kColumns][kVectors];
#pragma GCC unroll kUnroll
  for (auto& row : sum)
#pragma GCC unroll kUnroll
    for (auto& column : row)
#pragma GCC unroll kUnroll
      for (V& each : column) each = hn::Zero(d);
  const auto add_panel = [&](const auto& load) HWY_ATTR {
#pragma GCC unroll kUnroll
    for (int v = 0; v < kVectors; ++v) {
      V x[kRows];
#pragma GCC unroll kUnroll
      for (int r = 0; r < kRows; ++r) x[r] = load(a + r * g.a_row + v * step, v * step);
#pragma GCC unroll kUnroll
      for (int c = 0; c < kColumns; ++c) {
        const V w = hn::LoadU(d, b + c * kPanel + v * step);
#pragma GCC unroll kUnroll
        for (int r = 0; r < kRows; ++r) sum[r][c][v] = hn::MulAdd(x[r], w, sum[r][c][v]);
      }
    }
  };
  for (std::int64_t j = 0; j < whole; j += kPanel, a += kPanel, b += g.b_panel) {
    // What the next tile reads of this panel lies behind what this one reads, and a panel's stride is beyond any prefetcher.
    for (int line = 0; line < kColumns; ++line) hwy::Prefetch(b + (kColumns + line) * kPanel);
    add_panel([&](const float* x, std::int64_t) HWY_ATTR { return hn::LoadU(d, x); });
  }
  if (whole < g.depth)
    add_panel([&](const float* x, std::int64_t first)
                  HWY_ATTR { return load_some(x, std::clamp<std::int64_t>(g.depth - whole - first, 0, step)); });
#pragma GCC unroll kUnroll
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll kUnroll
    for (int c = 0; c < kColumns; ++c) g.c[(i + r) * g.c_row + k + c] = sum_lanes(sum[r][c]);
}

template <int kRows>
HWY_ATTR void all_columns(const Dots<float>& g, std::int64_t i, std::int64_t k, std::int64_t columns) {
  constexpr int kColumns = HWY_MAX(1, kSums / kRows);
  if (columns == kColumns) return tile<kRows, kColumns>(g, i, k);
  for (std::int64_t c = 0; c < columns; ++c) tile<kRows, 1>(g, i, k + c);
}

using RowsFunction = void (*)(const Dots<float>&, std::int64_t, std::int64_t, std::int64_t);

template <std::size_t... I>
constexpr auto rows_of(std::index_sequence<I...>) {
  return std::array<RowsFunction, sizeof...(I)>{&all_columns<static_cast<int>(I) + 1>...};
}

void dots(const Dots<float>& g) noexcept {
  static constexpr auto kByRows = rows_of(std::make_index_sequence<kMaxRows>());
  const std::int64_t tiles = (g.m + kMaxRows - 1) / kMaxRows;
  const std::int64_t columns = std::max<std::int64_t>(1, kSums / ((g.m + tiles - 1) / tiles));
  // Rows inside: a block of b is in the first-level cache for all but the first of them.
  for (std::int64_t k = 0; k < g.n; k += columns)
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t i = g.m * t / tiles, rows = g.m * (t + 1) / tiles - i;
      const std::int64_t wide = kSums / rows, end = std::min(g.n, k + columns);
      for (std::int64_t at = k; at < end; at += wide)
        kByRows[static_cast<std::size_t>(rows - 1)](g, i, at, std::min(wide, end - at));
    }
}

}  // namespace

void fill_dots(Kernels<float>& table) { table.dots = dots; }

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_dots(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_dots)(table); }
}  // namespace soma
#endif
