// a Gemm's operands → the sums of one tile in registers: what products that store them, or pool them first, have in common.
// Included once per target, hence the toggled guard.
#if defined(SOMA_TILES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SOMA_TILES_INL_H
#undef SOMA_TILES_INL_H
#else
#define SOMA_TILES_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "kernels/kernels.h"
#include "kernels/unroll.h"

HWY_BEFORE_NAMESPACE();
namespace soma {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Wide = hn::CappedTag<float, kPanel>;  // one vector of at most a panel
using HalfWide = hn::Half<Wide>;            // for the odd half of a panel where a vector holds a whole one
using V = hn::Vec<Wide>;
inline constexpr int kLanes = static_cast<int>(hn::MaxLanes(Wide()));
inline constexpr int kVectors = static_cast<int>(kPanel) / kLanes;  // in a panel

// A tile is as wide as a number of halves of a panel: what a matrix lacks of its last panel is not worked out in vain.
inline constexpr int kHalf = static_cast<int>(kPanel) / 2;
inline constexpr std::int64_t halves(std::int64_t columns) { return (columns + kHalf - 1) / kHalf; }

// Accumulators that leave room for one panel group of b and a broadcast: 14·2 + 2 + 1 of 32 registers, else 12 + 2 + 1 of 16.
inline constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM_A64;
inline constexpr int kAccumulators = kManyRegisters ? 28 : 12;

/// Whole vectors across H halves; one of half the size follows where they do not cover it.
template <int H>
inline constexpr int kWhole = (H * kHalf) / kLanes;
template <int H>
inline constexpr bool kOdd = (H * kHalf) % kLanes != 0;
template <int H>
inline constexpr int kAcross = kWhole<H> + (kOdd<H> ? 1 : 0);

/// M rows of sums, H halves wide. Everything is inlined and unrolled: the arrays are registers.
template <int M, int H>
struct Sums {
  V whole[M][HWY_MAX(kWhole<H>, 1)];
  hn::Vec<HalfWide> odd[M];

  HWY_INLINE void start(const float* bias) {
    const Wide d;
    const HalfWide dh;
#pragma GCC unroll kUnroll
    for (int v = 0; v < kWhole<H>; ++v) {
      const V first = bias != nullptr ? hn::LoadU(d, bias + v * kLanes) : hn::Zero(d);
#pragma GCC unroll kUnroll
      for (int i = 0; i < M; ++i) whole[i][v] = first;
    }
    if constexpr (kOdd<H>) {
      const auto first = bias != nullptr ? hn::LoadU(dh, bias + kWhole<H> * kLanes) : hn::Zero(dh);
#pragma GCC unroll kUnroll
      for (int i = 0; i < M; ++i) odd[i] = first;
    }
  }

  /// Row i of a lies step·(i / 4) + offset[i % 4] numbers behind `a`; depth numbers of each segment. kNear: step is known when
  /// this is compiled, and one pointer reaches all rows. Else every four rows have one: more would not fit the registers.
  template <bool kNear>
  HWY_INLINE void add_products(const Gemm<float>& g, const float* a, const float* b, std::int64_t depth, std::int64_t step,
                               const std::int64_t (&offset)[4]) {
    const Wide d;
    const HalfWide dh;
    for (std::int64_t s = 0; s < g.segments; ++s) {
      const float* from[kNear ? 1 : (M + 3) / 4];
#pragma GCC unroll kUnroll
      for (int i = 0; i < (kNear ? 1 : (M + 3) / 4); ++i)
        from[i] = a + (g.a_segments != nullptr ? g.a_segments[s] : 0) + i * step;
      for (std::int64_t k = 0; k < depth; ++k, b += g.b_row) {
        V wide[HWY_MAX(kWhole<H>, 1)];
        hn::Vec<HalfWide> narrow;
#pragma GCC unroll kUnroll
        for (int v = 0; v < kWhole<H>; ++v) wide[v] = hn::LoadU(d, b + (v / kVectors) * g.b_panel + (v % kVectors) * kLanes);
        if constexpr (kOdd<H>) narrow = hn::LoadU(dh, b + kWhole<H> * g.b_panel);
#pragma GCC unroll kUnroll
        for (int i = 0; i < M; ++i) {
          const float* at = kNear ? from[0] + i / 4 * step + offset[i % 4] : from[i / 4] + offset[i % 4];
          if constexpr (kWhole<H> != 0) {
            const V x = hn::Set(d, *at);
#pragma GCC unroll kUnroll
            for (int v = 0; v < kWhole<H>; ++v) whole[i][v] = hn::MulAdd(x, wide[v], whole[i][v]);
            if constexpr (kOdd<H>) odd[i] = hn::MulAdd(hn::LowerHalf(x), narrow, odd[i]);
          } else {
            odd[i] = hn::MulAdd(hn::Set(dh, *at), narrow, odd[i]);
          }
        }
#pragma GCC unroll kUnroll
        for (const float*& each : from) each += g.a_col;
      }
    }
  }
};

/// [0, count) cut into the fewest pieces of at most `most`, as even as possible, without a division for each.
struct Pieces {
  std::int64_t count, each, more;  // the first `more` hold one more

  Pieces(std::int64_t total, std::int64_t most) : count((total + most - 1) / most), each(total / count), more(total % count) {}
  std::int64_t begin(std::int64_t i) const { return i * each + std::min(i, more); }
};

/// Those of vector v's lanes that are among the first `columns`.
template <class D>
HWY_INLINE hn::Mask<D> kept(D d, int v, std::int64_t columns) {
  return hn::FirstN(d, static_cast<std::size_t>(std::clamp<std::int64_t>(columns - v * kLanes, 0, kLanes)));
}

/// As many of vector v's lanes, the rest 0. Nothing behind them is read.
template <class D>
HWY_INLINE hn::Vec<D> load_kept(D d, const float* p, int v, std::int64_t columns) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float lanes[hn::MaxLanes(D())] = {};
  for (std::int64_t i = 0; i < std::clamp<std::int64_t>(columns - v * kLanes, 0, static_cast<std::int64_t>(hn::Lanes(d))); ++i)
    lanes[i] = p[i];
  return hn::Load(d, lanes);
#else
  return hn::MaskedLoad(kept(d, v, columns), d, p);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace soma
HWY_AFTER_NAMESPACE();

#endif
