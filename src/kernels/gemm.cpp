// strided rows × panels → rows: the register-tiled matrix product that linear layers and convolutions share.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace soma::HWY_NAMESPACE {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
void fill_here(Kernels<float>&) {}  // no vectors: the reference stays
#else
namespace hn = hwy::HWY_NAMESPACE;

using Wide = hn::CappedTag<float, kPanel>;  // one vector of at most a panel
using V = hn::Vec<Wide>;
constexpr int kVectors = static_cast<int>(kPanel / hn::MaxLanes(Wide()));  // vectors in a panel
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Wide()));

// Accumulators that leave room for one panel group of b and a broadcast: 14·2 + 2 + 1 of 32 registers, else 12 + 2 + 1 of 16.
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;
constexpr int kAccumulators = kManyRegisters ? 28 : 12;

/// Rows of a tile that is P panels wide.
template <int P>
constexpr int kRows = std::max(1, kAccumulators / (P * kVectors));

/// One tile of c: what is left of a Gemm once its rows, panels and depth block are chosen.
struct TileArgs {
  const float* a;
  std::int64_t a_row, a_col;
  const std::int64_t* a_segments;
  std::int64_t segments, depth;
  const float* b;
  std::int64_t b_panel, b_row;
  float* c;
  std::int64_t c_row, c_panel;
  std::int64_t columns;  // valid columns of the tile; the last panel may be cut
  const float* bias;
  bool accumulate;
};

template <int M, int P, bool kUnitRow>
HWY_ATTR HWY_NOINLINE void tile(const TileArgs& t) {
  const Wide d;
  constexpr int kWidth = P * kVectors;
  const bool cut = t.columns < P * kPanel;
  V sum[M][kWidth];
  if (t.accumulate && !cut) {
#pragma GCC unroll 32
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 32
      for (int v = 0; v < kWidth; ++v)
        sum[i][v] = hn::LoadU(d, t.c + i * t.c_row + (v / kVectors) * t.c_panel + (v % kVectors) * kLanes);
  } else if (t.accumulate) {
    for (int i = 0; i < M; ++i) {
      HWY_ALIGN float row[P * kPanel] = {};
      for (std::int64_t j = 0; j < t.columns; ++j) row[j] = t.c[i * t.c_row + (j / kPanel) * t.c_panel + j % kPanel];
      for (int v = 0; v < kWidth; ++v) sum[i][v] = hn::Load(d, row + v * kLanes);
    }
  } else {
#pragma GCC unroll 32
    for (int v = 0; v < kWidth; ++v) {
      const V start = t.bias != nullptr ? hn::LoadU(d, t.bias + v * kLanes) : hn::Zero(d);
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i) sum[i][v] = start;
    }
  }

  const float* b = t.b;
  const std::int64_t a_row = kUnitRow ? 1 : t.a_row;
  for (std::int64_t s = 0; s < t.segments; ++s) {
    const float* a = t.a + (t.a_segments != nullptr ? t.a_segments[s] : 0);
    for (std::int64_t k = 0; k < t.depth; ++k, a += t.a_col, b += t.b_row) {
      V wide[kWidth];
#pragma GCC unroll 32
      for (int v = 0; v < kWidth; ++v) wide[v] = hn::LoadU(d, b + (v / kVectors) * t.b_panel + (v % kVectors) * kLanes);
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i) {
        const V x = hn::Set(d, a[i * a_row]);
#pragma GCC unroll 32
        for (int v = 0; v < kWidth; ++v) sum[i][v] = hn::MulAdd(x, wide[v], sum[i][v]);
      }
    }
  }

  if (!cut) {
#pragma GCC unroll 32
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 32
      for (int v = 0; v < kWidth; ++v)
        hn::StoreU(sum[i][v], d, t.c + i * t.c_row + (v / kVectors) * t.c_panel + (v % kVectors) * kLanes);
  } else {
#pragma GCC unroll 32
    for (int v = 0; v < kWidth; ++v) {
      const auto kept = hn::FirstN(d, static_cast<std::size_t>(std::clamp<std::int64_t>(t.columns - v * kLanes, 0, kLanes)));
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i)
        hn::BlendedStore(sum[i][v], kept, d, t.c + i * t.c_row + (v / kVectors) * t.c_panel + (v % kVectors) * kLanes);
    }
  }
}

using TileFunction = void (*)(const TileArgs&);

template <int P, bool kUnitRow, std::size_t... I>
constexpr auto tiles_of(std::index_sequence<I...>) {
  return std::array<TileFunction, sizeof...(I)>{&tile<static_cast<int>(I) + 1, P, kUnitRow>...};
}

/// tiles[rows − 1] for tiles P panels wide.
template <int P, bool kUnitRow>
constexpr auto kTiles = tiles_of<P, kUnitRow>(std::make_index_sequence<kRows<P> >());

template <int P>
HWY_ATTR void run_tiles(const Gemm<float>& g) {
  const auto& tiles = g.a_row == 1 ? kTiles<P, true> : kTiles<P, false>;
  const std::int64_t row_tiles = (g.m + kRows<P> - 1) / kRows<P>;
  const std::int64_t panel_groups = (panels(g.n) + P - 1) / P;
  // 256 rows of two panels are 32 KiB: they stay in the first-level cache while the rows of a pass by.
  const std::int64_t block = g.segments == 1 ? std::min<std::int64_t>(g.depth, 256) : g.depth;
  const bool rows_outside = g.m > g.n;  // the shorter side is the one gone over again and again
  for (std::int64_t first = 0; first == 0 || first < g.depth; first += std::max<std::int64_t>(block, 1)) {
    const auto one = [&](std::int64_t row_tile, std::int64_t group) HWY_ATTR {
      const std::int64_t row = g.m * row_tile / row_tiles, rows = g.m * (row_tile + 1) / row_tiles - row;
      const std::int64_t panel = group * P, column = panel * kPanel;
      // The last group may have fewer panels than P: their columns are never stored, and b is read as if it ended in them.
      const TileArgs t = {g.a + row * g.a_row + first * g.a_col,
                          g.a_row,
                          g.a_col,
                          g.a_segments,
                          g.segments,
                          std::min(block, g.depth - first),
                          g.b + panel * g.b_panel + first * g.b_row,
                          g.b_panel,
                          g.b_row,
                          g.c + row * g.c_row + panel * g.c_panel,
                          g.c_row,
                          g.c_panel,
                          std::min(g.n - column, P * kPanel),
                          g.bias != nullptr ? g.bias + column : nullptr,
                          g.accumulate || first > 0};
      tiles[static_cast<std::size_t>(rows - 1)](t);
    };
    if (rows_outside)
      for (std::int64_t i = 0; i < row_tiles; ++i)
        for (std::int64_t j = 0; j < panel_groups; ++j) one(i, j);
    else
      for (std::int64_t j = 0; j < panel_groups; ++j)
        for (std::int64_t i = 0; i < row_tiles; ++i) one(i, j);
  }
}

/// The panels of g cut into groups of P and what is left over.
template <int P>
HWY_ATTR void cut_panels(const Gemm<float>& g) {
  const std::int64_t whole = panels(g.n) / P * P;
  if (whole > 0) {
    Gemm<float> left = g;
    left.n = std::min(g.n, whole * kPanel);
    run_tiles<P>(left);
  }
  if constexpr (P > 1) {
    if (whole < panels(g.n)) {
      Gemm<float> right = g;
      right.n = g.n - whole * kPanel;
      right.b += whole * g.b_panel;
      right.c += whole * g.c_panel;
      if (g.bias != nullptr) right.bias += whole * kPanel;
      cut_panels<P / 2>(right);
    }
  }
}

// Few rows want wide tiles, to keep enough sums in flight to cover the latency of a multiply-add.
HWY_ATTR void gemm(const Gemm<float>& g) noexcept {
  constexpr int kNarrow = kManyRegisters ? 2 : 1;
  if (g.m <= kRows<kNarrow * 4>)
    cut_panels<kNarrow * 4>(g);
  else if (g.m <= kRows<kNarrow * 2>)
    cut_panels<kNarrow * 2>(g);
  else
    cut_panels<kNarrow>(g);
}

void pack_panels(const float* x, std::int64_t x_row, std::int64_t rows, std::int64_t cols, float* y,
                 std::int64_t y_panel) noexcept {
  for (std::int64_t j = 0; j < cols; j += kPanel) {
    float* panel = y + j / kPanel * y_panel;
    const auto width = static_cast<std::size_t>(std::min(kPanel, cols - j));
    for (std::int64_t i = 0; i < rows; ++i) {
      std::memcpy(panel + i * kPanel, x + i * x_row + j, width * sizeof(float));
      if (width < kPanel) std::memset(panel + i * kPanel + width, 0, (kPanel - width) * sizeof(float));
    }
  }
}

/// x[0..3], then the four numbers 4, 8 and 12 rows below: as many as a vector holds.
template <class D>
HWY_ATTR HWY_INLINE hn::Vec<D> load_blocks(D d, const float* x, std::int64_t row) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return hn::LoadU(d, x);
  } else {
    const hn::Half<D> half;
    const std::int64_t rows = static_cast<std::int64_t>(hn::MaxLanes(half));
    return hn::Combine(d, load_blocks(half, x + rows * row, row), load_blocks(half, x, row));
  }
}

/// Four columns of 16 rows of x → four rows of 16 numbers: 4×4 transpositions side by side in the blocks of a vector.
HWY_ATTR HWY_INLINE void transpose_16x4(const float* x, std::int64_t x_row, float* y, std::int64_t y_row) {
  const Wide d;
  const hn::RepartitionToWide<Wide> pairs;
  for (int v = 0; v < kVectors; ++v, x += kLanes * x_row, y += kLanes) {
    const V r0 = load_blocks(d, x, x_row), r1 = load_blocks(d, x + x_row, x_row), r2 = load_blocks(d, x + 2 * x_row, x_row),
            r3 = load_blocks(d, x + 3 * x_row, x_row);
    const auto a = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1)), b = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
    const auto e = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1)), f = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, a, b)), d, y);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)), d, y + y_row);
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, e, f)), d, y + 2 * y_row);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, e, f)), d, y + 3 * y_row);
  }
}

HWY_ATTR void transpose(const Transpose<float>& t) noexcept {
  for (std::int64_t i = 0; i < t.rows; i += kPanel)
    for (std::int64_t j = 0; j < t.cols; j += 4) {
      const float* from = t.x + j / kPanel * t.x_panel + i * t.x_row + j % kPanel;
      float* to = t.y + i / kPanel * t.y_panel + j * t.y_row;
      const std::int64_t rows = std::min(kPanel, t.rows - i), cols = std::min<std::int64_t>(4, t.cols - j);
      if (rows == kPanel && cols == 4) {
        transpose_16x4(from, t.x_row, to, t.y_row);
      } else {
        for (std::int64_t jj = 0; jj < cols; ++jj)
          for (std::int64_t ii = 0; ii < (t.fill ? kPanel : rows); ++ii)
            to[jj * t.y_row + ii] = ii < rows ? from[ii * t.x_row + jj] : 0.0f;
      }
    }
}

void fill_here(Kernels<float>& table) {
  table.gemm = &gemm;
  table.pack_panels = &pack_panels;
  table.transpose = &transpose;
}
#endif

}  // namespace soma::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
HWY_EXPORT(fill_here);
void fill_gemm(Kernels<float>& table) { HWY_DYNAMIC_DISPATCH(fill_here)(table); }
}  // namespace soma
#endif
