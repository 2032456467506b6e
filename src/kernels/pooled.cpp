// strided rows × panels → the greatest of every 2×2 rows: convolution and max-pooling in one pass, in registers.
#include <algorithm>
#include <array>

#include "kernels/kernels.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pooled.cpp"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "kernels/best-inl.h"
#include "kernels/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace soma::HWY_NAMESPACE {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
void fill_pooled_here(Kernels<float>&) {}  // no vectors: the reference stays
#else
namespace {

/// Windows of a tile that is H halves wide: four rows of sums for each.
template <int H>
constexpr int kMostWindows = std::max(1, kAccumulators / 4 / kAcross<H>);

template <class D, bool kPlace>
HWY_INLINE void store_best(const PooledGemm<float>& p, D d, hn::Vec<D> a, hn::Vec<D> b, hn::Vec<D> c, hn::Vec<D> e,
                           std::int64_t at, std::int64_t columns) {
  Best<D, kPlace> best{d, a, hn::Zero(hn::Rebind<std::int32_t, D>())};
  best.meet(b, 1);
  best.meet(c, 2);
  best.meet(e, 3);
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  if (columns >= lanes)
    best.store(p.product.c, p.winner, at);
  else if (columns > 0)
    best.store(p.product.c, p.winner, at, static_cast<std::size_t>(columns));
}

/// W windows of p from `first` on, columns [column, column + 8·H), of which those before n are kept.
template <int W, int H, bool kPlace, bool kUnitRow>
HWY_ATTR HWY_NOINLINE void pooled_tile(const PooledGemm<float>& p, std::int64_t first, std::int64_t column) {
  const Gemm<float>& g = p.product;
  const std::int64_t a_row = kUnitRow ? 1 : g.a_row, columns = g.n - column;
  Sums<4 * W, H> sums;
  sums.start(g.bias != nullptr ? g.bias + column : nullptr);
  sums.template add_products<kUnitRow>(g, g.a + 2 * first * a_row, g.b + column / kPanel * g.b_panel, g.depth, 2 * a_row,
                                       {0, a_row, p.a_line, p.a_line + a_row});
#pragma GCC unroll kUnroll
  for (int w = 0; w < W; ++w) {
    const std::int64_t at = (first + w) * g.c_row + column;
#pragma GCC unroll kUnroll
    for (int v = 0; v < kWhole<H>; ++v)
      store_best<Wide, kPlace>(p, Wide(), sums.whole[4 * w][v], sums.whole[4 * w + 1][v], sums.whole[4 * w + 2][v],
                               sums.whole[4 * w + 3][v], at + v * kLanes, columns - v * kLanes);
    if constexpr (kOdd<H>)
      store_best<HalfWide, kPlace>(p, HalfWide(), sums.odd[4 * w], sums.odd[4 * w + 1], sums.odd[4 * w + 2], sums.odd[4 * w + 3],
                                   at + kWhole<H> * kLanes, columns - kWhole<H> * kLanes);
  }
}

using PooledTile = void (*)(const PooledGemm<float>&, std::int64_t, std::int64_t);

/// tiles[windows − 1] for tiles H halves wide.
template <int H, bool kPlace, bool kUnitRow>
constexpr auto kPooledTiles = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<PooledTile, sizeof...(I)>{&pooled_tile<static_cast<int>(I) + 1, H, kPlace, kUnitRow>...};
}
(std::make_index_sequence<kMostWindows<H> >());

/// The columns of p from half panel `first` on, cut into groups of H halves and what is left over.
template <int H>
HWY_ATTR void cut_columns(const PooledGemm<float>& p, std::int64_t first = 0) {
  const bool unit = p.product.a_row == 1;
  const auto& tiles = p.winner != nullptr ? (unit ? kPooledTiles<H, true, true> : kPooledTiles<H, true, false>)
                                          : (unit ? kPooledTiles<H, false, true> : kPooledTiles<H, false, false>);
  const Pieces pieces(p.product.m, kMostWindows<H>);
  for (; first + H <= halves(p.product.n); first += H)
    for (std::int64_t i = 0; i < pieces.count; ++i) {
      const std::int64_t window = pieces.begin(i), windows = pieces.begin(i + 1) - window;
      tiles[static_cast<std::size_t>(windows - 1)](p, window, first * kHalf);
    }
  if constexpr (H > 1)
    if (first < halves(p.product.n)) cut_columns<H - 1>(p, first);
}

HWY_ATTR void pooled_gemm(const PooledGemm<float>& p) noexcept { cut_columns<kManyRegisters ? 4 : 2>(p); }

}  // namespace

void fill_pooled_here(Kernels<float>& table) { table.pooled_gemm = &pooled_gemm; }
#endif

}  // namespace soma::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma {
void fill_pooled(std::int64_t target, Kernels<float>& table) { SOMA_COMPILED_FOR(target, fill_pooled_here)(table); }
}  // namespace soma
#endif
