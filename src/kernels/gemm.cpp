// strided rows × panels → rows: the register-tiled matrix product that linear layers and convolutions share.
#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gemm.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace soma::HWY_NAMESPACE {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
void fill_gemm_here(Kernels<float>&) {}  // no vectors: the reference stays
#else
namespace {

/// Rows of a tile that is H halves wide. A whole panel could have 28: what that saves is not worth the code.
template <int H>
constexpr int kRows = H == 2 ? std::min(kAccumulators, 14) / kAcross<H> : std::max(1, kAccumulators / kAcross<H>);

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

template <int M, int H>
HWY_ATTR HWY_NOINLINE void tile(const Tile& t) {
  const Wide d;
  const HalfWide dh;
  constexpr int kWidth = kWhole<H>;
  const bool cut = t.columns < H * kHalf;
  Sums<M, H> sums;
  // No index here is left to run time: one would take all sums from their registers to the stack.
  if (t.accumulate) {
#pragma GCC unroll kUnroll
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll kUnroll
      for (int v = 0; v < kWidth; ++v) sums.whole[i][v] = cut ? load_kept(d, t.at(i, v), v, t.columns) : hn::LoadU(d, t.at(i, v));
      if constexpr (kOdd<H>)
        sums.odd[i] = cut ? load_kept(dh, t.at(i, kWidth), kWidth, t.columns) : hn::LoadU(dh, t.at(i, kWidth));
    }
  } else {
    sums.start(t.bias);
  }

  const std::int64_t a_row = t.g.a_row;
  sums.template add_products<false>(t.g, t.a, t.b, t.depth, 4 * a_row, {0, a_row, 2 * a_row, 3 * a_row});

  if (!cut) {
#pragma GCC unroll kUnroll
    for (int i = 0; i < M; ++i) {
#pragma GCC unroll kUnroll
      for (int v = 0; v < kWidth; ++v) hn::StoreU(sums.whole[i][v], d, t.at(i, v));
      if constexpr (kOdd<H>) hn::StoreU(sums.odd[i], dh, t.at(i, kWidth));
    }
  } else {
#pragma GCC unroll kUnroll
    for (int v = 0; v < kWidth; ++v) {
      const auto mask = kept(d, v, t.columns);
#pragma GCC unroll kUnroll
      for (int i = 0; i < M; ++i) hn::BlendedStore(sums.whole[i][v], mask, d, t.at(i, v));
    }
    if constexpr (kOdd<H>) {
      const auto mask = kept(dh, kWidth, t.columns);
#pragma GCC unroll kUnroll
      for (int i = 0; i < M; ++i) hn::BlendedStore(sums.odd[i], mask, dh, t.at(i, kWidth));
    }
  }
}

using TileFunction = void (*)(const Tile&);

template <int H, std::size_t... I>
constexpr auto tiles_of(std::index_sequence<I...>) {
  return std::array<TileFunction, sizeof...(I)>{&tile<static_cast<int>(I) + 1, H>...};
}

/// tiles[rows − 1] for tiles H halves wide.
template <int H>
constexpr auto kTiles = tiles_of<H>(std::make_index_sequence<kRows<H> >());

/// Columns [first · 8, end) of g, a whole number of tiles.
template <int H>
HWY_ATTR void run_tiles(const Gemm<float>& g, std::int64_t first, std::int64_t end) {
  constexpr auto& tiles = kTiles<H>;
  const Pieces row_tiles(g.m, kRows<H>);
  const std::int64_t groups = (halves(end) - first) / H;
  // 4096 rows of two panels are 512 KiB: they stay in the second-level cache while the rows of a pass by. Shorter blocks, for the
  // first-level cache, lose more to the sums' way out and in again.
  const std::int64_t block = g.segments == 1 ? std::min<std::int64_t>(g.depth, 4096) : g.depth;
  const bool rows_outside = g.m > g.n;  // the shorter side is the one gone over again and again
  for (std::int64_t k = 0; k == 0 || k < g.depth; k += std::max<std::int64_t>(block, 1)) {
    const auto one = [&](std::int64_t row_tile, std::int64_t group) HWY_ATTR {
      const std::int64_t row = row_tiles.begin(row_tile), rows = row_tiles.begin(row_tile + 1) - row;
      const std::int64_t panel = (first + group * H) / 2, column = panel * kPanel;
      tiles[static_cast<std::size_t>(rows - 1)]({.g = g,
                                                 .a = g.a + row * g.a_row + k * g.a_col,
                                                 .b = g.b + panel * g.b_panel + k * g.b_row,
                                                 .bias = g.bias != nullptr ? g.bias + column : nullptr,
                                                 .c = g.c + row * g.c_row + panel * g.c_panel,
                                                 .depth = std::min(block, g.depth - k),
                                                 .columns = std::min<std::int64_t>(end - column, H * kHalf),
                                                 .accumulate = g.accumulate || k > 0});
    };
    if (rows_outside)
      for (std::int64_t i = 0; i < row_tiles.count; ++i)
        for (std::int64_t j = 0; j < groups; ++j) one(i, j);
    else
      for (std::int64_t j = 0; j < groups; ++j)
        for (std::int64_t i = 0; i < row_tiles.count; ++i) one(i, j);
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
#pragma GCC unroll kUnroll
  for (int v = 0; v < kVectors; ++v) {
    const V start = t.bias != nullptr ? hn::LoadU(d, t.bias + v * kLanes) : hn::Zero(d);
#pragma GCC unroll kUnroll
    for (int i = 0; i < M; ++i)
#pragma GCC unroll kUnroll
      for (int s = 0; s < kStrands; ++s) sum[s][i][v] = s == 0 ? start : hn::Zero(d);
  }
  const auto add = [&](std::int64_t k, int s) HWY_ATTR {
#pragma GCC unroll kUnroll
    for (int v = 0; v < kVectors; ++v) {
      const V wide = hn::LoadU(d, t.b + k * t.g.b_row + v * kLanes);
#pragma GCC unroll kUnroll
      for (int i = 0; i < M; ++i) sum[s][i][v] = hn::MulAdd(hn::Set(d, t.a[i * t.g.a_row + k * t.g.a_col]), wide, sum[s][i][v]);
    }
  };
  std::int64_t k = 0;
  for (; k + kStrands <= t.depth; k += kStrands) {
#pragma GCC unroll kUnroll
    for (int s = 0; s < kStrands; ++s) add(k + s, s);
  }
#pragma GCC unroll kUnroll
  for (int s = 0; s < kStrands - 1; ++s)
    if (k + s < t.depth) add(k + s, s);
#pragma GCC unroll kUnroll
  for (int v = 0; v < kVectors; ++v) {
    const auto mask = kept(d, v, t.columns);
#pragma GCC unroll kUnroll
    for (int i = 0; i < M; ++i)
      hn::BlendedStore(hn::Add(hn::Add(sum[0][i][v], sum[1][i][v]), hn::Add(sum[2][i][v], sum[3][i][v])), mask, d, t.at(i, v));
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

}  // namespace

void fill_gemm_here(Kernels<float>& table) { table.gemm = &gemm; }
#endif

}  // namespace soma::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_gemm(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_gemm_here)(table); }
}  // namespace soma
#endif
