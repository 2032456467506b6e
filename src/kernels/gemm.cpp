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
using HalfWide = hn::Half<Wide>;  // for the odd half of a panel where a vector holds a whole one
constexpr int kVectors = static_cast<int>(kPanel / hn::MaxLanes(Wide()));  // vectors in a panel
constexpr int kLanes = static_cast<int>(hn::MaxLanes(Wide()));

// A tile is as wide as a number of halves of a panel: what a matrix lacks of its last panel is not worked out in vain.
constexpr std::int64_t kHalf = kPanel / 2;
constexpr std::int64_t halves(std::int64_t columns) { return (columns + kHalf - 1) / kHalf; }

// Accumulators that leave room for one panel group of b and a broadcast: 14·2 + 2 + 1 of 32 registers, else 12 + 2 + 1 of 16.
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;
constexpr int kAccumulators = kManyRegisters ? 28 : 12;

/// Whole vectors across a tile of H halves; one of half the size follows where they do not cover it.
template <int H>
constexpr int kWhole = H* static_cast<int>(kHalf) / kLanes;
template <int H>
constexpr bool kOdd = H* static_cast<int>(kHalf) % kLanes != 0;

/// Rows of a tile that is H halves wide.
template <int H>
constexpr int kRows = std::max(1, kAccumulators / (kWhole<H> + (kOdd<H> ? 1 : 0)));

/// One tile of c: what is left of a Gemm once its rows, columns and depth block are chosen.
struct Tile {
  const Gemm<float>& g;
  const float *a, *b, *bias;
  float* c;
  std::int64_t depth, columns;  // the last half panel may be cut
  bool accumulate;

  /// Where vector v of row i lies in c.
  float* at(std::int64_t i, int v) const { return c + i * g.c_row + (v / kVectors) * g.c_panel + (v % kVectors) * kLanes; }
};

template <int M, int H, bool kUnitRow>
HWY_ATTR HWY_NOINLINE void tile(const Tile& t) {
  const Wide d;
  const HalfWide dh;
  constexpr int kWidth = kWhole<H>;
  const bool cut = t.columns < H * kHalf;
  V sum[M][std::max(kWidth, 1)];
  hn::Vec<HalfWide> odd[M];
  if (t.accumulate && !cut) {
#pragma GCC unroll 32
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 32
      for (int v = 0; v < kWidth; ++v) sum[i][v] = hn::LoadU(d, t.at(i, v));
      if constexpr (kOdd<H>) odd[i] = hn::LoadU(dh, t.at(i, kWidth));
    }
  } else if (t.accumulate) {
    for (int i = 0; i < M; ++i) {
      HWY_ALIGN float row[H * kHalf] = {};
      for (std::int64_t j = 0; j < t.columns; ++j) row[j] = t.c[i * t.g.c_row + (j / kPanel) * t.g.c_panel + j % kPanel];
      for (int v = 0; v < kWidth; ++v) sum[i][v] = hn::Load(d, row + v * kLanes);
      if constexpr (kOdd<H>) odd[i] = hn::Load(dh, row + kWidth * kLanes);
    }
  } else {
#pragma GCC unroll 32
    for (int v = 0; v < kWidth; ++v) {
      const V start = t.bias != nullptr ? hn::LoadU(d, t.bias + v * kLanes) : hn::Zero(d);
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i) sum[i][v] = start;
    }
    if constexpr (kOdd<H>) {
      const auto start = t.bias != nullptr ? hn::LoadU(dh, t.bias + kWidth * kLanes) : hn::Zero(dh);
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i) odd[i] = start;
    }
  }

  const float* b = t.b;
  const std::int64_t a_row = kUnitRow ? 1 : t.g.a_row;
  for (std::int64_t s = 0; s < t.g.segments; ++s) {
    const float* a = t.a + (t.g.a_segments != nullptr ? t.g.a_segments[s] : 0);
    for (std::int64_t k = 0; k < t.depth; ++k, a += t.g.a_col, b += t.g.b_row) {
      V wide[std::max(kWidth, 1)];
      hn::Vec<HalfWide> narrow;
#pragma GCC unroll 32
      for (int v = 0; v < kWidth; ++v) wide[v] = hn::LoadU(d, b + (v / kVectors) * t.g.b_panel + (v % kVectors) * kLanes);
      if constexpr (kOdd<H>) narrow = hn::LoadU(dh, b + kWidth * t.g.b_panel);
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i) {
        if constexpr (kWidth > 0) {
          const V x = hn::Set(d, a[i * a_row]);
#pragma GCC unroll 32
          for (int v = 0; v < kWidth; ++v) sum[i][v] = hn::MulAdd(x, wide[v], sum[i][v]);
          if constexpr (kOdd<H>) odd[i] = hn::MulAdd(hn::LowerHalf(x), narrow, odd[i]);
        } else {
          odd[i] = hn::MulAdd(hn::Set(dh, a[i * a_row]), narrow, odd[i]);
        }
      }
    }
  }

  if (!cut) {
#pragma GCC unroll 32
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll 32
      for (int v = 0; v < kWidth; ++v) hn::StoreU(sum[i][v], d, t.at(i, v));
      if constexpr (kOdd<H>) hn::StoreU(odd[i], dh, t.at(i, kWidth));
    }
  } else {
    const auto kept = [&](auto tag, int v) HWY_ATTR {
      return hn::FirstN(tag, static_cast<std::size_t>(std::clamp<std::int64_t>(t.columns - v * kLanes, 0, kLanes)));
    };
#pragma GCC unroll 32
    for (int v = 0; v < kWidth; ++v) {
      const auto mask = kept(d, v);
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i) hn::BlendedStore(sum[i][v], mask, d, t.at(i, v));
    }
    if constexpr (kOdd<H>) {
      const auto mask = kept(dh, kWidth);
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i) hn::BlendedStore(odd[i], mask, dh, t.at(i, kWidth));
    }
  }
}

using TileFunction = void (*)(const Tile&);

template <int H, bool kUnitRow, std::size_t... I>
constexpr auto tiles_of(std::index_sequence<I...>) {
  return std::array<TileFunction, sizeof...(I)>{&tile<static_cast<int>(I) + 1, H, kUnitRow>...};
}

/// tiles[rows − 1] for tiles H halves wide.
template <int H, bool kUnitRow>
constexpr auto kTiles = tiles_of<H, kUnitRow>(std::make_index_sequence<kRows<H> >());

/// Columns [first · 8, end) of g, a whole number of tiles.
template <int H>
HWY_ATTR void run_tiles(const Gemm<float>& g, std::int64_t first, std::int64_t end) {
  const auto& tiles = g.a_row == 1 ? kTiles<H, true> : kTiles<H, false>;
  const std::int64_t row_tiles = (g.m + kRows<H> - 1) / kRows<H>;
  const std::int64_t groups = (halves(end) - first) / H;
  // 4096 rows of two panels are 512 KiB: they stay in the second-level cache while the rows of a pass by. Shorter blocks, for the
  // first-level cache, lose more to the sums' way out and in again.
  const std::int64_t block = g.segments == 1 ? std::min<std::int64_t>(g.depth, 4096) : g.depth;
  const bool rows_outside = g.m > g.n;  // the shorter side is the one gone over again and again
  for (std::int64_t k = 0; k == 0 || k < g.depth; k += std::max<std::int64_t>(block, 1)) {
    const auto one = [&](std::int64_t row_tile, std::int64_t group) HWY_ATTR {
      const std::int64_t row = g.m * row_tile / row_tiles, rows = g.m * (row_tile + 1) / row_tiles - row;
      const std::int64_t panel = (first + group * H) / 2, column = panel * kPanel;
      tiles[static_cast<std::size_t>(rows - 1)]({.g = g,
                                                 .a = g.a + row * g.a_row + k * g.a_col,
                                                 .b = g.b + panel * g.b_panel + k * g.b_row,
                                                 .bias = g.bias != nullptr ? g.bias + column : nullptr,
                                                 .c = g.c + row * g.c_row + panel * g.c_panel,
                                                 .depth = std::min(block, g.depth - k),
                                                 .columns = std::min(end - column, H * kHalf),
                                                 .accumulate = g.accumulate || k > 0});
    };
    if (rows_outside)
      for (std::int64_t i = 0; i < row_tiles; ++i)
        for (std::int64_t j = 0; j < groups; ++j) one(i, j);
    else
      for (std::int64_t j = 0; j < groups; ++j)
        for (std::int64_t i = 0; i < row_tiles; ++i) one(i, j);
  }
}

/// The columns of g from half panel `first` on, cut into groups of H halves and what is left over. Only the last group may be no
/// whole number of panels.
template <int H>
HWY_ATTR void cut_columns(const Gemm<float>& g, std::int64_t first = 0) {
  const std::int64_t end = first + (halves(g.n) - first) / H * H;
  if (end > first) run_tiles<H>(g, first, std::min(g.n, end * kHalf));
  if constexpr (H > 1)
    if (end < halves(g.n)) cut_columns<(H > 4 ? H / 2 : H - 1)>(g, end);
}

/// At most one panel of c, four strands to each sum: a chain of dependent multiply-adds would wait four cycles for each.
template <int M>
HWY_ATTR HWY_NOINLINE void stranded_tile(const Tile& t) {
  const Wide d;
  V sum[kStrands][M][kVectors];
#pragma GCC unroll 32
  for (int v = 0; v < kVectors; ++v) {
    const V start = t.bias != nullptr ? hn::LoadU(d, t.bias + v * kLanes) : hn::Zero(d);
#pragma GCC unroll 32
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 32
      for (int s = 0; s < kStrands; ++s) sum[s][i][v] = s == 0 ? start : hn::Zero(d);
  }
  const auto add = [&](std::int64_t k, int s) HWY_ATTR {
#pragma GCC unroll 32
    for (int v = 0; v < kVectors; ++v) {
      const V wide = hn::LoadU(d, t.b + k * t.g.b_row + v * kLanes);
#pragma GCC unroll 32
      for (int i = 0; i < M; ++i) sum[s][i][v] = hn::MulAdd(hn::Set(d, t.a[i * t.g.a_row + k * t.g.a_col]), wide, sum[s][i][v]);
    }
  };
  std::int64_t k = 0;
  for (; k + kStrands <= t.depth; k += kStrands)
#pragma GCC unroll 32
    for (int s = 0; s < kStrands; ++s) add(k + s, s);
#pragma GCC unroll 32
  for (int s = 0; s < kStrands - 1; ++s)
    if (k + s < t.depth) add(k + s, s);
#pragma GCC unroll 32
  for (int v = 0; v < kVectors; ++v) {
    const auto kept = hn::FirstN(d, static_cast<std::size_t>(std::clamp<std::int64_t>(t.columns - v * kLanes, 0, kLanes)));
#pragma GCC unroll 32
    for (int i = 0; i < M; ++i)
      hn::BlendedStore(hn::Add(hn::Add(sum[0][i][v], sum[1][i][v]), hn::Add(sum[2][i][v], sum[3][i][v])), kept, d, t.at(i, v));
  }
}

HWY_ATTR void run_stranded(const Gemm<float>& g) {
  constexpr int kMost = std::max(1, kAccumulators / (kStrands * kVectors));
  constexpr auto kFunctions = []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<TileFunction, sizeof...(I)>{&stranded_tile<static_cast<int>(I) + 1>...};
  }
  (std::make_index_sequence<kMost>());
  for (std::int64_t row = 0; row < g.m; row += kMost)
    kFunctions[static_cast<std::size_t>(std::min<std::int64_t>(kMost, g.m - row) - 1)]({.g = g,
                                                                                        .a = g.a + row * g.a_row,
                                                                                        .b = g.b,
                                                                                        .bias = g.bias,
                                                                                        .c = g.c + row * g.c_row,
                                                                                        .depth = g.depth,
                                                                                        .columns = g.n,
                                                                                        .accumulate = false});
}

// Few rows want wide tiles, to keep enough sums in flight to cover the latency of a multiply-add.
HWY_ATTR void gemm(const Gemm<float>& g) noexcept {
  if (g.stranded) return run_stranded(g);
  constexpr int kNarrow = kManyRegisters ? 4 : 2;
  if (g.m <= kRows<kNarrow * 4>)
    cut_columns<kNarrow * 4>(g);
  else if (g.m <= kRows<kNarrow * 2>)
    cut_columns<kNarrow * 2>(g);
  else
    cut_columns<kNarrow>(g);
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
